#include "tests/sandbox/envelope.h"

namespace ticketing::sandbox {

Answer TrutoError(int status, const std::string& message, const Json& extra) {
  Json envelope{{"statusCode", status}, {"error", ReasonPhrase(status)}, {"message", message}};
  envelope.update(extra);
  return JsonAnswer(status, envelope);
}

Answer RefusedRequest(const std::vector<Fault>& faults, int status) {
  Json failures = Json::array();
  for (const Fault& fault : faults) failures.push_back({{"field", fault.field}, {"message", fault.message}});
  return TrutoError(status, "The request is not valid", {{"details", {{"failures", failures}}}});
}

Answer RemoteError(int status, const std::string& message, const Json& raw_response, const Json& insights) {
  Json all_insights = insights;
  all_insights["remote_error"] = Insight("The provider answered with an error");
  Answer answer = TrutoError(
      status, message,
      {{"truto_is_remote_error", true}, {"raw_response", raw_response}, {"truto_error_insight", all_insights}});
  answer.headers.emplace_back("x-provider-request-id", "7f6d1c2e");
  return answer;
}

Json Insight(const std::string& description, const Json& value) {
  Json insight{{"description", description}};
  if (!value.is_null()) insight["value"] = value;
  return insight;
}

}  // namespace ticketing::sandbox
