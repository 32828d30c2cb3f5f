#include "tests/sandbox/scenarios.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "tests/sandbox/envelope.h"

namespace ticketing::sandbox {
namespace {

// ---------------------------------------------------------------------------------------------------------------------
// Parts of answers
// ---------------------------------------------------------------------------------------------------------------------

Answer With(Answer answer, std::string name, std::string value) {
  answer.headers.emplace_back(std::move(name), std::move(value));
  return answer;
}

// RFC 9110, 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT"
std::string HttpDate(Time time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 40> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return {text.data(), length};
}

Answer OddValues() {
  // As text: a JSON library would not write some of it.
  return {.content_type = "application/json; charset=utf-8",
          .body = R"({"id":9007199254740993,"name":null,"created_at":"2024-09-01 10:00:00","is_active":"yes",)"
                  R"("emails":[{"email":"odd@example.com","type":null}],"shoe_size":43,)"
                  R"("remote_data":{"big":9007199254740993,"huge":1e400,"twice":1,"twice":2}})"};
}

Answer Huge() {
  constexpr std::size_t kHugeBytes = std::size_t{10} * 1024 * 1024;
  Answer answer = JsonAnswer(200, {{"id", "provoke-huge"}});
  answer.body.insert(answer.body.size() - 1, R"(,"remote_data":{"filler":")" + std::string(kHugeBytes, 'x') + "\"}");
  return answer;
}

Answer MissingScopes() {
  return RemoteError(403, "The connection lacks OAuth scopes", {{"error", "insufficient_scope"}},
                     {{"forbidden_error", Insight("The connection lacks these OAuth scopes",
                                                  {{"missing_scopes", {"users.read", "users.delete"}}})}});
}

Answer RateLimitedWith403() {
  return With(RemoteError(403, "Rate limit exceeded", {{"message", "You have exceeded a secondary rate limit"}},
                          {{"rate_limit_error", Insight("The provider limited the call")}}),
              "retry-after", "1");
}

Answer ConditionalHint() {
  return RemoteError(400, "The provider refused the request", {{"errors", {{{"message", "user_id is malformed"}}}}},
                     {{"conditionally_required_query_parameters",
                       Insight("Rules that may apply", {{"organization", "when the account has several portals"}})}});
}

std::string Pad(std::string_view text, std::size_t width) {
  std::string padded(text);
  padded.resize(std::max(width, text.size() + 1), ' ');
  return padded;
}

// ---------------------------------------------------------------------------------------------------------------------
// The table
// ---------------------------------------------------------------------------------------------------------------------

// NOLINTBEGIN(modernize-use-designated-initializers): its columns are those of Scenario
constexpr auto kScenarios = std::to_array<Scenario>({
    {"provoke-307", "307 with Location", "a redirect: never to be followed, it would hand the token on",
     [](Time) { return With(EmptyAnswer(307), "location", "/redirected"); }},

    {"provoke-400", "400, Truto, details.failures", "Truto refuses the request at its edge",
     [](Time) {
       return RefusedRequest({{"id", "must be a number"}, {"truto_exclude_fields", "must be known fields"}});
     }},
    {"provoke-400-missing", "400, Truto, missing_required_query_parameters",
     "the account needs a parameter that is absent",
     [](Time) {
       return TrutoError(400, "Missing required query parameters: organization",
                         {{"truto_error_insight",
                           {{"missing_required_query_parameters",
                             Insight("The request lacks these query parameters", Json::array({"organization"}))}}}});
     }},
    {"provoke-400-remote", "400, provider, with the hint of a conditional rule", "the provider refuses the request",
     [](Time) { return ConditionalHint(); }},
    {"provoke-401", "401, Truto", "the token is missing, expired or wrong",
     [](Time) { return TrutoError(401, "The API token has expired"); }},
    {"provoke-401-remote", "401, provider", "the account must be connected again by its end user",
     [](Time) { return RemoteError(401, "The provider refused the credentials", {{"error", "invalid_grant"}}); }},
    {"provoke-403", "403, Truto", "the token may not do this",
     [](Time) { return TrutoError(403, "The API token may not delete users"); }},
    {"provoke-403-scopes", "403, provider, forbidden_error.missing_scopes", "the connection lacks OAuth scopes",
     [](Time) { return MissingScopes(); }},
    {"provoke-403-rate-limit", "403, provider, rate_limit_error, Retry-After: 1",
     "a provider that says rate limit with a 403", [](Time) { return RateLimitedWith403(); }},
    {"provoke-404", "404, Truto", "no such user, or the account is not visible to the token",
     [](Time) { return TrutoError(404, "No such resource"); }},
    {"provoke-404-remote", "404, provider", "the provider has no such user",
     [](Time) { return RemoteError(404, "Not found", {{"message", "User not found"}}); }},
    {"provoke-404-html", "404, HTML", "a wrong base URL or a proxy: says nothing of the user",
     [](Time) { return HtmlAnswer(404); }},
    {"provoke-404-empty", "404, no body", "an edge or a proxy: says nothing of the user",
     [](Time) { return EmptyAnswer(404); }},
    {"provoke-405-sandbox-account", "405, Truto", "a sandbox integrated account: read-only",
     [](Time) { return TrutoError(405, "Sandbox integrated accounts are read-only"); }},
    {"provoke-405-remote", "405, provider", "the provider does not delete users",
     [](Time) { return RemoteError(405, "Method not allowed", {{"message", "Method DELETE is not allowed"}}); }},
    {"provoke-405-html", "405, HTML", "a wrong base URL or a proxy", [](Time) { return HtmlAnswer(405); }},
    {"provoke-408", "408, no body", "the request did not arrive in time, or did",
     [](Time) { return EmptyAnswer(408); }},
    {"provoke-409", "409, provider", "a conflict at the provider",
     [](Time) { return RemoteError(409, "Conflict", {{"message", "The user owns open tickets"}}); }},
    {"provoke-418", "418, Truto", "a status that no page documents",
     [](Time) { return TrutoError(418, "I am a teapot"); }},
    {"provoke-422", "422, Truto, details.failures", "well-formed, but refused",
     [](Time) { return RefusedRequest({{"collections", "the project is archived"}}, 422); }},
    {"provoke-422-remote", "422, provider, empty message, text in raw_response", "the provider's own validation",
     [](Time) { return RemoteError(422, "", "The last owner of a workspace can't be deleted"); }},
    {"provoke-425", "425, no body", "too early: provably not executed", [](Time) { return EmptyAnswer(425); }},
    {"provoke-425-once", "425, no body once, then 200", "too early, and a retry helps",
     [](Time) { return EmptyAnswer(425); }, Next::kSuccess},
    {"provoke-429-account", "429, Truto, Retry-After: 10", "more than 50 requests in 10 s for the account",
     [](Time) { return With(TrutoError(429, "Too many requests for this integrated account"), "retry-after", "10"); }},
    {"provoke-429-token", "429, Truto, Retry-After: 10", "more than 500 requests in 10 s for the API token",
     [](Time) { return With(TrutoError(429, "Too many requests for this API token"), "retry-after", "10"); }},
    {"provoke-429-remote", "429, provider, Retry-After: a date in 2 s", "the provider's own limit",
     [](Time now) {
       return With(RemoteError(429, "Too many requests", {{"message", "Slow down"}},
                               {{"rate_limit_error", Insight("The provider limited the call")}}),
                   "retry-after", HttpDate(now + std::chrono::seconds(2)));
     }},
    {"provoke-429-once", "429, Truto, Retry-After: 1 once, then 200", "a limit that waiting helps against",
     [](Time) { return With(TrutoError(429, "Too many requests for this integrated account"), "retry-after", "1"); },
     Next::kSuccess},

    {"provoke-500", "500, Truto", "Truto failed; the user may have been deleted",
     [](Time) { return TrutoError(500, "An internal error occurred"); }},
    {"provoke-500-once", "500, Truto once, then 200", "Truto failed, and a retry helps",
     [](Time) { return TrutoError(500, "An internal error occurred"); }, Next::kSuccess},
    {"provoke-500-remote", "500, provider", "the provider is failing",
     [](Time) { return RemoteError(500, "The provider failed", {{"error", "internal"}}); }},
    {"provoke-501-remote", "501, provider", "the provider does not know such an operation",
     [](Time) { return RemoteError(501, "Not implemented", {{"error", "not implemented"}}); }},
    {"provoke-502", "502, Truto", "no clean answer from the provider",
     [](Time) { return TrutoError(502, "The provider's answer could not be read"); }},
    {"provoke-502-remote", "502, provider", "the provider tells of no clean answer behind it",
     [](Time) { return RemoteError(502, "Bad gateway", "<html>Bad Gateway</html>"); }},
    {"provoke-502-once", "502, Truto once, then 200", "no clean answer from the provider, and a retry helps",
     [](Time) { return TrutoError(502, "The provider's answer could not be read"); }, Next::kSuccess},
    {"provoke-502-then-404", "502, Truto once, then 404", "no clean answer, but the first attempt did delete the user",
     [](Time) { return TrutoError(502, "The provider's answer could not be read"); }, Next::kMissing},
    {"provoke-503-blocked", "503, Truto", "the integrated account is blocked: never to be sent again",
     [](Time) { return TrutoError(503, "This integrated account has been blocked"); }},
    {"provoke-503-html", "503, HTML", "Truto's edge is overloaded or down", [](Time) { return HtmlAnswer(503); }},
    {"provoke-503-empty", "503, no body", "an edge that is overloaded or down", [](Time) { return EmptyAnswer(503); }},
    {"provoke-503-once", "503, HTML once, then 200", "Truto's edge was overloaded, and a retry helps",
     [](Time) { return HtmlAnswer(503); }, Next::kSuccess},
    {"provoke-503-remote", "503, provider", "the provider is down",
     [](Time) { return RemoteError(503, "Service unavailable", {{"message", "Down for maintenance"}}); }},
    {"provoke-504", "504, Truto", "the provider did not answer Truto in time",
     [](Time) { return TrutoError(504, "The provider did not answer in time"); }},
    {"provoke-504-remote", "504, provider", "the provider tells of a time-out behind it",
     [](Time) { return RemoteError(504, "", "upstream request timeout"); }},
    {"provoke-520-html", "520, HTML", "a status that no page documents", [](Time) { return HtmlAnswer(520); }},

    {"provoke-slow", "200 after 2 s", "a slow provider",
     [](Time) {
       Answer answer = JsonAnswer(200, {{"id", "provoke-slow"}});
       answer.delay = std::chrono::seconds(2);
       return answer;
     }},
    {"provoke-never", "no answer ever", "a provider that hangs; ends when the client gives up",
     [](Time) { return Answer{.ending = Answer::Ending::kNever}; }},
    {"provoke-closed", "the connection closes without an answer", "a failure after the request was sent",
     [](Time) { return Answer{.ending = Answer::Ending::kCloses}; }},
    {"provoke-closed-once", "the connection closes once, then 200",
     "a failure after the request was sent, and a retry helps",
     [](Time) { return Answer{.ending = Answer::Ending::kCloses}; }, Next::kSuccess},
    {"provoke-broken-body", "200, the body breaks off", "deleted, and the answer got lost",
     [](Time) {
       Answer answer = JsonAnswer(200, {{"id", "provoke-broken-body"}});
       answer.ending = Answer::Ending::kBreaksOff;
       return answer;
     }},
    {"provoke-empty-body", "200, no body", "deleted", [](Time) { return EmptyAnswer(200); }},
    {"provoke-not-json", "200, HTML that claims to be JSON", "deleted, and the answer can't be read",
     [](Time) {
       Answer answer = HtmlAnswer(200);
       answer.content_type = "application/json";
       return answer;
     }},
    {"provoke-odd-values", "200, values that fit no field", "numbers too large, wrong types, nulls, unknown fields",
     [](Time) { return OddValues(); }},
    {"provoke-huge", "200, 10 MiB of JSON", "deleted, and the answer is too long", [](Time) { return Huge(); }},
});
// NOLINTEND(modernize-use-designated-initializers)

}  // namespace

std::span<const Scenario> Scenarios() {
  return kScenarios;
}

const Scenario* FindScenario(std::string_view id) {
  const auto* scenario = std::ranges::find(kScenarios, id, &Scenario::name);
  return scenario == kScenarios.end() ? nullptr : scenario;
}

std::string DescribeScenarios() {
  std::string text;
  for (const Scenario& scenario : kScenarios) {
    text += Pad(scenario.name, 29) + Pad(scenario.answers, 54) + std::string(scenario.meaning) + "\n";
  }
  return text;
}

}  // namespace ticketing::sandbox
