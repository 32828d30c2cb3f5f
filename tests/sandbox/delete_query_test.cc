#include "tests/sandbox/delete_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

namespace ticketing::sandbox {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

std::vector<std::string> FaultyFields(std::string_view query) {
  std::vector<std::string> fields;
  const ParsedQuery parsed = ParseDeleteQuery(query);
  std::ranges::transform(parsed.faults, std::back_inserter(fields), &Fault::field);
  return fields;
}

TEST(DeleteQuery, ReadsEveryParameterOfThePage) {
  const ParsedQuery query = ParseDeleteQuery(
      "integrated_account_id=62f44730-dd91-461e-bd6a-aedd9e0ad79d&collections[][id]=99&collections[][id]=98&"
      "organization[id]=42&truto_response_format=debug&truto_ignore_remote_data=true&truto_exclude_fields[]=name&"
      "truto_exclude_fields[]=emails&truto_skip_api_call=true&remote_query[foo]=bar");
  EXPECT_THAT(query.faults, IsEmpty());
  EXPECT_EQ(query.parameters.integrated_account_id, "62f44730-dd91-461e-bd6a-aedd9e0ad79d");
  EXPECT_THAT(query.parameters.collections, ElementsAre("99", "98"));
  EXPECT_EQ(query.parameters.organization, "42");
  EXPECT_EQ(query.parameters.response_format, ResponseFormat::kDebug);
  EXPECT_TRUE(query.parameters.ignore_remote_data);
  EXPECT_TRUE(query.parameters.skip_api_call);
  EXPECT_THAT(query.parameters.exclude_fields, ElementsAre("name", "emails"));
  EXPECT_THAT(query.parameters.remote_query, ElementsAre(Pair("foo", "bar")));
}

TEST(DeleteQuery, TakesListsWithEmptyBracketsAndWithIndicesEncodedOrNot) {
  for (const std::string query :
       {"collections[][id]=a%20b&collections[][id]=c", "collections[0][id]=a+b&collections[1][id]=c",
        "collections%5B%5D%5Bid%5D=a%20b&collections%5B%5D%5Bid%5D=c",
        "collections%5b0%5d%5bid%5d=a%20b&collections%5b1%5d%5bid%5d=c"}) {
    SCOPED_TRACE(query);
    EXPECT_THAT(FaultyFields(query), IsEmpty());
    EXPECT_THAT(ParseDeleteQuery(query).parameters.collections, ElementsAre("a b", "c"));
  }
}

TEST(DeleteQuery, HandsTheRemoteQueryOnAsTheProviderWritesIt) {
  EXPECT_THAT(ParseDeleteQuery("remote_query[a][b]=c&remote_query[l][]=1&remote_query[l][]=2&remote_query[null]=")
                  .parameters.remote_query,
              ElementsAre(Pair("a[b]", "c"), Pair("l[]", "1"), Pair("l[]", "2"), Pair("null", "")));
}

TEST(DeleteQuery, NamesEveryFieldThatThePageDoesNotDescribe) {
  const std::vector<std::pair<std::string, std::string>> faulty = {
      {"unknown=1", "unknown"},
      {"integrated_account_id=42", "integrated_account_id"},
      {"integrated_account_id=62f44730-dd91-461e-bd6a-aedd9e0ad79g", "integrated_account_id"},
      {"integrated_account_id=", "integrated_account_id"},
      {"truto_response_format=xml", "truto_response_format"},
      {"truto_response_format=raw&truto_response_format=raw", "truto_response_format"},
      {"truto_response_format[]=raw", "truto_response_format[]"},
      {"truto_ignore_remote_data=1", "truto_ignore_remote_data"},
      {"truto_ignore_remote_data", "truto_ignore_remote_data"},
      {"truto_skip_api_call=TRUE", "truto_skip_api_call"},
      {"collections[][name]=a", "collections[][name]"},
      {"collections[]=99", "collections[]"},
      {"collections[][id]=", "collections[][id]"},
      {"collections[x][id]=1", "collections[x][id]"},
      {"collections[0][id]=1&collections[0][id]=2", "collections[0][id]"},
      {"organization=42", "organization"},
      {"organization[name]=42", "organization[name]"},
      {"organization[id]=1&organization[id]=2", "organization[id]"},
      {"truto_exclude_fields=id,name", "truto_exclude_fields"},
      {"remote_query=1", "remote_query"},
      {"remote_query[sandbox_stream_bytes]=many", "remote_query[sandbox_stream_bytes]"},
      {"remote_query[a=1", "remote_query[a"},
      {"remote_query[a]b=1", "remote_query[a]b"},
      {"[a]=1", "[a]"},
      {"remote_query[a]=%4", "remote_query[a]"},
      {"remote_query[a]=%zz", "remote_query[a]"},
      {"remote_query[a]=%FF", "remote_query[a]"},
      {"remote_query[%FF]=1", "remote_query[%FF]"},
  };
  for (const auto& [query, field] : faulty) {
    SCOPED_TRACE(query);
    EXPECT_THAT(FaultyFields(query), ElementsAre(field));
  }
}

}  // namespace
}  // namespace ticketing::sandbox
