#include "cli/command_line.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace ticketing::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
using ticketing::v1::DeleteTicketingUserRequest;

using Variables = std::map<std::string, std::string>;

CommandLine Parse(const std::vector<std::string>& arguments, const Variables& variables = {}) {
  std::vector<const char*> argv{"ticketing-user"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  return ParseCommandLine(static_cast<int>(argv.size()), argv.data(),
                          [&](const std::string& name) -> std::optional<std::string> {
                            const auto variable = variables.find(name);
                            if (variable == variables.end()) return std::nullopt;
                            return variable->second;
                          });
}

DeleteCommand ParseGood(const std::vector<std::string>& arguments, const Variables& variables = {}) {
  const CommandLine parsed = Parse(arguments, variables);
  if (const auto* exit = std::get_if<EarlyExit>(&parsed)) {
    ADD_FAILURE() << exit->text;
    return {};
  }
  return std::get<DeleteCommand>(parsed);
}

// The message on standard error.
std::string ParseBad(const std::vector<std::string>& arguments, const Variables& variables = {}) {
  const CommandLine parsed = Parse(arguments, variables);
  const auto* exit = std::get_if<EarlyExit>(&parsed);
  if (exit == nullptr) {
    ADD_FAILURE() << "accepted: " << testing::PrintToString(arguments);
    return {};
  }
  EXPECT_EQ(exit->code, 2);
  EXPECT_THAT(exit->text, AllOf(StartsWith("ticketing-user: "), HasSubstr("--help'.\n")));
  return exit->text;
}

struct OptionCase {
  std::vector<std::string> arguments;  // behind `delete 5`
  std::string request;                 // in text format, without the id
};

class EachOption : public testing::TestWithParam<OptionCase> {};

TEST_P(EachOption, SetsItsFieldAndNoOther) {
  std::vector<std::string> arguments{"delete", "5"};
  arguments.insert(arguments.end(), GetParam().arguments.begin(), GetParam().arguments.end());
  DeleteTicketingUserRequest expected;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString("id: '5' " + GetParam().request, &expected));
  const DeleteTicketingUserRequest request = ParseGood(arguments).request;
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(request, expected)) << request.DebugString();
}

INSTANTIATE_TEST_SUITE_P(
    CommandLine, EachOption,
    testing::Values(
        OptionCase{{}, ""},
        OptionCase{{"--account", "62f44730-dd91-461e-bd6a-aedd9e0ad79d"},
                   "integrated_account_id: '62f44730-dd91-461e-bd6a-aedd9e0ad79d'"},
        OptionCase{{"--collection", "99"}, "collections { id: '99' }"},
        OptionCase{{"--collection", "b", "--collection=a", "--collection", "b"},
                   "collections { id: 'b' } collections { id: 'a' } collections { id: 'b' }"},
        OptionCase{{"--organization", "42"}, "organization { id: '42' }"},
        OptionCase{{"--organization", ""}, "organization { id: '' }"},
        OptionCase{{"--format", "unified"}, "truto_response_format: TRUTO_RESPONSE_FORMAT_UNIFIED"},
        OptionCase{{"--format", "raw"}, "truto_response_format: TRUTO_RESPONSE_FORMAT_RAW"},
        OptionCase{{"--format", "normalized"}, "truto_response_format: TRUTO_RESPONSE_FORMAT_NORMALIZED"},
        OptionCase{{"--format", "stream"}, "truto_response_format: TRUTO_RESPONSE_FORMAT_STREAM"},
        OptionCase{{"--format", "debug"}, "truto_response_format: TRUTO_RESPONSE_FORMAT_DEBUG"},
        OptionCase{{"--ignore-remote-data"}, "truto_ignore_remote_data: true"},
        OptionCase{{"--ignore-remote-data=true"}, "truto_ignore_remote_data: true"},
        OptionCase{{"--ignore-remote-data=false"}, "truto_ignore_remote_data: false"},
        OptionCase{{"--exclude-field", "id", "--exclude-field", "name"},
                   "truto_exclude_fields: 'id' truto_exclude_fields: 'name'"},
        OptionCase{{"--remote-query", R"({"a":{"b":["c"]}})"},
                   "remote_query { fields { key: 'a' value { struct_value { fields { key: 'b' value { list_value { "
                   "values { string_value: 'c' } } } } } } } }"},
        OptionCase{{"--remote-query", "{}"}, "remote_query {}"},
        OptionCase{{"--skip-api-call"}, "truto_skip_api_call: true"},
        OptionCase{{"--skip-api-call=true"}, "truto_skip_api_call: true"},
        OptionCase{{"--skip-api-call=false"}, "truto_skip_api_call: false"},
        OptionCase{{"--allow-missing"}, "allow_missing: true"},
        OptionCase{{"--request-id", "8d5b5f2e-66a4-4a7a-9a2b-6a2b0f5b7a11"},
                   "request_id: '8d5b5f2e-66a4-4a7a-9a2b-6a2b0f5b7a11'"},
        OptionCase{{"--include-http-body"}, "include_http_body: true"},
        // What is no parameter of the request.
        OptionCase{{"--json", "--stream", "--output", "x", "--deadline", "1s", "--server", "h:1", "--tls"}, ""}));

TEST(CommandLine, ValidateIsTheSameRequestWithValidateOnly) {
  DeleteTicketingUserRequest expected = ParseGood({"delete", "5", "--collection", "1", "--allow-missing"}).request;
  expected.set_validate_only(true);
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(
      ParseGood({"validate", "5", "--collection", "1", "--allow-missing"}).request, expected));
}

TEST(CommandLine, TakesValuesLiterally) {
  for (const char* text : {"{}", "[a,b]", "[]", "a,b", "\"q\"", "'q'", "%%", "a=b", "delete", "validate", "-5", "a b",
                           "/x", "$HOME", "@file", " ", "日本"}) {
    EXPECT_EQ(ParseGood({"delete", text}).request.id(), text);
    const auto request = ParseGood({"delete", "5", "--organization", text, "--collection", text, "--collection", "2",
                                    "--exclude-field", text})
                             .request;
    EXPECT_EQ(request.organization().id(), text);
    ASSERT_EQ(request.collections_size(), 2) << text;
    EXPECT_EQ(request.collections(0).id(), text);
    ASSERT_EQ(request.truto_exclude_fields_size(), 1) << text;
    EXPECT_EQ(request.truto_exclude_fields(0), text);
  }
}

TEST(CommandLine, AnIdMayLookLikeAnOptionBehindTwoHyphens) {
  EXPECT_EQ(ParseGood({"delete", "--allow-missing", "--", "--json"}).request.id(), "--json");
  EXPECT_EQ(ParseGood({"delete", "--", "-x"}).request.id(), "-x");
}

TEST(CommandLine, TheIdMayStandAnywhere) {
  const auto request = ParseGood({"delete", "--ignore-remote-data", "5", "--collection", "1"}).request;
  EXPECT_EQ(request.id(), "5");
  EXPECT_TRUE(request.truto_ignore_remote_data());
}

TEST(CommandLine, GivesUpAfterADocumentedTime) {
  using std::chrono::seconds;
  EXPECT_EQ(ParseGood({"delete", "5"}).deadline, seconds(35));
  EXPECT_EQ(ParseGood({"delete", "5", "--stream"}).deadline, seconds(600));
  EXPECT_EQ(ParseGood({"delete", "5", "--stream", "--deadline", "10s"}).deadline, seconds(10));
}

TEST(CommandLine, ReadsWhereTheServiceIs) {
  const Variables variables{{"TICKETING_SERVER", "other:1"}};
  EXPECT_EQ(ParseGood({"delete", "5"}).connection.server, "localhost:50051");
  EXPECT_EQ(ParseGood({"delete", "5"}, variables).connection.server, "other:1");
  EXPECT_EQ(ParseGood({"delete", "5", "--server", "flag:2"}, variables).connection.server, "flag:2");
  EXPECT_THAT(ParseBad({"delete", "5"}, {{"TICKETING_SERVER", "other"}}),
              AllOf(HasSubstr("TICKETING_SERVER"), HasSubstr("HOST:PORT")));
}

TEST(CommandLine, AnyOptionOfTlsMeansTls) {
  EXPECT_FALSE(ParseGood({"delete", "5"}).connection.tls);
  EXPECT_TRUE(ParseGood({"delete", "5", "--tls"}).connection.tls);
  EXPECT_TRUE(ParseGood({"delete", "5", "--ca-file", "a"}).connection.tls);
  EXPECT_TRUE(ParseGood({"delete", "5", "--server-name", "a"}).connection.tls);
  EXPECT_TRUE(ParseGood({"delete", "5", "--cert-file", "a", "--key-file", "b"}).connection.tls);
}

struct BadCase {
  std::vector<std::string> arguments;
  std::string names;  // what the message has to name
};

class WrongUsage : public testing::TestWithParam<BadCase> {};

TEST_P(WrongUsage, IsNamed) {
  EXPECT_THAT(ParseBad(GetParam().arguments), HasSubstr(GetParam().names));
}

INSTANTIATE_TEST_SUITE_P(
    CommandLine, WrongUsage,
    testing::Values(
        BadCase{{}, "subcommand"}, BadCase{{"remove", "5"}, "'remove'"}, BadCase{{"delete"}, "ID is required"},
        BadCase{{"delete", "5", "6"}, "6"}, BadCase{{"delete", "5", "--force"}, "--force"},
        BadCase{{"delete", "5", "--format", "xml"}, "--format: 'xml' is none of unified"},
        BadCase{{"delete", "5", "--format", "RAW"}, "--format"},
        BadCase{{"delete", "5", "--ignore-remote-data=yes"}, "--ignore-remote-data: 'yes'"},
        BadCase{{"delete", "5", "--ignore-remote-data=true", "--ignore-remote-data=false"}, "--ignore-remote-data"},
        BadCase{{"delete", "5", "--skip-api-call=1"}, "--skip-api-call: '1'"},
        BadCase{{"delete", "5", "--skip-api-call="}, "--skip-api-call: no value"},
        BadCase{{"delete", "5", "--allow-missing=false"}, "--allow-missing: takes no value"},
        BadCase{{"delete", "5", "--account", "a", "--account", "b"}, "--account"},
        BadCase{{"delete", "5", "--account", ""}, "--account: must not be empty"},
        BadCase{{"delete", "5", "--request-id", ""}, "--request-id: must not be empty"},
        BadCase{{"delete", "5", "--request-id"}, "--request-id"},
        BadCase{{"delete", "5", "--collection=", "--allow-missing"}, "--collection: no value"},
        BadCase{{"delete", "5", "--collection", "--allow-missing"}, "--collection: no value"},
        BadCase{{"delete", "5", "--remote-query", "{"}, "--remote-query: is not JSON"},
        BadCase{{"delete", "5", "--deadline", "10"}, "--deadline: '10' is no duration"},
        BadCase{{"delete", "5", "--output", "x"}, "--output requires --stream"},
        BadCase{{"delete", "5", "--cert-file", "x"}, "--cert-file requires --key-file"},
        BadCase{{"delete", "5", "--key-file", "x"}, "--key-file requires --cert-file"},
        BadCase{{"delete", "5", "--server", "localhost"}, "--server: 'localhost' is not of the form HOST:PORT"},
        BadCase{{"delete", "5", "--correlation-id", "a b"}, "--correlation-id"},
        BadCase{{"delete", "5", "--traceparent", "x"}, "--traceparent"},
        BadCase{{"delete", "a\xff"}, "'a\\xff' is not UTF-8"}, BadCase{{"delete", "5", "--token", "secret"}, "--token"},
        BadCase{{"delete-list"}, "FILE is required"},
        BadCase{{"delete-list", "l", "--concurrency", "0"}, "--concurrency: '0' is no number from 1 to 100"},
        BadCase{{"delete-list", "l", "--concurrency", "101"}, "--concurrency"},
        BadCase{{"delete-list", "l", "--concurrency", "8x"}, "--concurrency"},
        BadCase{{"delete-list", "l", "--account", "x"}, "--account: must be a UUID"},
        BadCase{{"delete-list", "l", "--dry-run", "--results", "r"}, "--results excludes --dry-run"},
        BadCase{{"delete-list", "l", "--yes=true"}, "--yes: takes no value"},
        BadCase{{"delete-list", "l", "--results", ""}, "--results: must not be empty"},
        BadCase{{"completion"}, "SHELL is required"}, BadCase{{"completion", "fish"}, "'fish' is neither bash nor zsh"},
        BadCase{{"manual", "5"}, "5"}));

TEST(CommandLine, HelpNamesEveryOptionAndIsASuccess) {
  const CommandLine parsed = Parse({"delete", "--help"});
  ASSERT_TRUE(std::holds_alternative<EarlyExit>(parsed));
  const auto& exit = std::get<EarlyExit>(parsed);
  EXPECT_EQ(exit.code, 0);
  for (const char* name : {"--account",
                           "--collection",
                           "--organization",
                           "--format",
                           "--ignore-remote-data",
                           "--exclude-field",
                           "--remote-query",
                           "--skip-api-call",
                           "--allow-missing",
                           "--request-id",
                           "--include-http-body",
                           "--stream",
                           "--output",
                           "--deadline",
                           "--json",
                           "--server",
                           "--tls",
                           "--ca-file",
                           "--cert-file",
                           "--key-file",
                           "--server-name",
                           "--token-file",
                           "--correlation-id",
                           "--traceparent",
                           "TICKETING_SERVER",
                           "TICKETING_TOKEN",
                           "NO_COLOR",
                           "64 + N"}) {
    EXPECT_THAT(exit.text, HasSubstr(name));
  }
}

template <typename Command>
Command ParseAs(const std::vector<std::string>& arguments) {
  const CommandLine parsed = Parse(arguments);
  if (!std::holds_alternative<Command>(parsed)) {
    ADD_FAILURE() << testing::PrintToString(arguments);
    return {};
  }
  return std::get<Command>(parsed);
}

TEST(CommandLine, ReadsWhatIsToBeDoneWithAList) {
  const auto plain = ParseAs<DeleteListCommand>({"delete-list", "users.csv"});
  EXPECT_EQ(plain.file, "users.csv");
  EXPECT_EQ(plain.results, "");
  EXPECT_EQ(plain.failures, "");
  EXPECT_EQ(plain.concurrency, 8);
  EXPECT_EQ(plain.deadline, std::chrono::seconds(35));
  EXPECT_FALSE(plain.dry_run || plain.yes || plain.repeat_unknown || plain.defaults.allow_missing);
  EXPECT_EQ(plain.defaults.account, "");

  const auto full = ParseAs<DeleteListCommand>(
      {"delete-list", "-", "--account", "62f44730-dd91-461e-bd6a-aedd9e0ad79d", "--allow-missing", "--results", "r",
       "--failures", "f", "--yes", "--repeat-unknown", "--concurrency", "100", "--deadline", "2s", "--server", "h:1"});
  EXPECT_EQ(full.file, "-");
  EXPECT_EQ(full.defaults.account, "62f44730-dd91-461e-bd6a-aedd9e0ad79d");
  EXPECT_EQ(full.results, "r");
  EXPECT_EQ(full.failures, "f");
  EXPECT_EQ(full.concurrency, 100);
  EXPECT_EQ(full.deadline, std::chrono::seconds(2));
  EXPECT_TRUE(full.defaults.allow_missing && full.yes && full.repeat_unknown && !full.dry_run);
  EXPECT_EQ(full.connection.server, "h:1");
  EXPECT_TRUE(ParseAs<DeleteListCommand>({"delete-list", "l", "--dry-run"}).dry_run);
}

TEST(CommandLine, ReadsWhoseHealthIsAskedFor) {
  EXPECT_EQ(ParseAs<HealthCommand>({"health"}).service, "");
  const auto command = ParseAs<HealthCommand>({"health", "--service", "s", "--deadline", "1s", "--tls"});
  EXPECT_EQ(command.service, "s");
  EXPECT_EQ(command.deadline, std::chrono::seconds(1));
  EXPECT_TRUE(command.connection.tls);
}

TEST(CommandLine, PrintsCompletionAndManual) {
  const auto bash = ParseAs<EarlyExit>({"completion", "bash"});
  EXPECT_EQ(bash.code, 0);
  EXPECT_THAT(bash.text, HasSubstr("complete -F"));
  const auto zsh = ParseAs<EarlyExit>({"completion", "zsh"});
  EXPECT_EQ(zsh.code, 0);
  EXPECT_THAT(zsh.text, StartsWith("#compdef ticketing-user\n"));
  const auto manual = ParseAs<EarlyExit>({"manual"});
  EXPECT_EQ(manual.code, 0);
  EXPECT_THAT(manual.text, StartsWith(".TH TICKETING"));
}

TEST(CommandLine, ShowsItsVersion) {
  const CommandLine parsed = Parse({"--version"});
  ASSERT_TRUE(std::holds_alternative<EarlyExit>(parsed));
  EXPECT_EQ(std::get<EarlyExit>(parsed).code, 0);
  EXPECT_THAT(std::get<EarlyExit>(parsed).text, testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

}  // namespace
}  // namespace ticketing::cli
