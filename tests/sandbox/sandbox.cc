#include "tests/sandbox/sandbox.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "tests/sandbox/delete_query.h"
#include "tests/sandbox/envelope.h"
#include "tests/sandbox/percent_encoding.h"
#include "tests/sandbox/provider.h"
#include "tests/sandbox/scenarios.h"
#include "tests/sandbox/user_answer.h"

namespace ticketing::sandbox {
namespace {

constexpr std::string_view kUsersPath = "/unified/ticketing/users/";
constexpr std::string_view kOwnPath = "/sandbox/";

// Answers that are kept for repeats of their Idempotency-Key.
constexpr std::size_t kMaxStoredAnswers = 10'000;
constexpr std::size_t kMaxStoredBytes = std::size_t{64} * 1024;

std::string_view PathOf(const Request& request) {
  return std::string_view(request.target).substr(0, request.target.find('?'));
}

std::string_view QueryOf(const Request& request) {
  const std::size_t sign = request.target.find('?');
  return sign == std::string::npos ? std::string_view() : std::string_view(request.target).substr(sign + 1);
}

// The one segment after /users/, still encoded; nothing for any other path. Servers resolve "." and ".." before they
// look for an endpoint.
std::optional<std::string_view> UserSegment(std::string_view path) {
  if (!path.starts_with(kUsersPath)) return std::nullopt;
  const std::string_view segment = path.substr(kUsersPath.size());
  if (segment.empty() || segment == "." || segment == ".." || segment.find('/') != std::string_view::npos) {
    return std::nullopt;
  }
  return segment;
}

// The endpoint's page: what its own samples send. "*/*" is what curl and Python send for Accept.
void CheckHeaders(const Request& request, std::vector<Fault>& faults) {
  const std::string_view accept = core::FindHeader(request.headers, "accept").value_or("");
  if (accept.find("application/json") == std::string_view::npos && accept.find("*/*") == std::string_view::npos) {
    faults.push_back({"accept", "the header must allow application/json"});
  }
  const std::string_view content_type = core::FindHeader(request.headers, "content-type").value_or("");
  if (content_type != "application/json" && !content_type.starts_with("application/json;")) {
    faults.push_back({"content-type", "the header must be application/json"});
  }
  if (request.has_body) faults.push_back({"body", "must be empty"});
}

Answer RateLimited(const std::string& message, core::HttpHeaders headers) {
  Answer answer = TrutoError(429, message);
  answer.headers = std::move(headers);
  // The rate-limit page: always the whole window.
  answer.headers.emplace_back("retry-after", std::to_string(RateLimiter::kWindow.count()));
  return answer;
}

Answer MissingCollections() {
  return TrutoError(400, "Missing required query parameters: collections",
                    {{"truto_error_insight",
                      {{"missing_required_query_parameters",
                        Insight("The request lacks these query parameters", Json::array({"collections"}))}}}});
}

}  // namespace

// One request to the endpoint, as far as it is known yet.
struct Sandbox::Delete {
  std::string id;
  DeleteParameters parameters;
  const Account* token_account = nullptr;  // whose integrated-account token it is; none: the API token
  Account* account = nullptr;
  Time now;
  // For the log.
  std::string caller;
  std::string note;
};

Sandbox::Sandbox(Options options, Clock clock, RequestLog::Print print)
    : options_(std::move(options)),
      clock_(std::move(clock)),
      accounts_(SeedAccounts(options_.extra_users)),
      token_limiter_(options_.token_limit),
      account_limiter_(options_.account_limit),
      log_(std::move(print)) {}

Answer Sandbox::Handle(const Request& request) {
  const std::scoped_lock lock(mutex_);
  if (PathOf(request).starts_with(kOwnPath)) return HandleOwn(request);
  Delete call{.now = clock_()};
  Answer answer = HandleApi(request, call);
  log_.Add(call.now, request, call.caller, call.note, answer);
  return answer;
}

Answer Sandbox::HandleOwn(const Request& request) {
  const std::string what = request.method + " " + std::string(PathOf(request));
  if (what == "GET /sandbox/users") return JsonAnswer(200, DescribeUsers());
  if (what == "GET /sandbox/requests") return JsonAnswer(200, log_.ToJson());
  if (what == "DELETE /sandbox/requests") {
    log_.Clear();
    return EmptyAnswer(204);
  }
  if (what == "POST /sandbox/reset") {
    Reset();
    return EmptyAnswer(204);
  }
  if (what == "GET /sandbox/scenarios") {
    Json scenarios = Json::array();
    for (const Scenario& scenario : Scenarios()) {
      scenarios.push_back({{"id", scenario.name}, {"answers", scenario.answers}, {"meaning", scenario.meaning}});
    }
    return JsonAnswer(200, {{"scenarios", scenarios}});
  }
  return TextAnswer(404);
}

Answer Sandbox::HandleApi(const Request& request, Delete& call) {
  const std::optional<std::string_view> segment = UserSegment(PathOf(request));
  call.note = "no such address";
  if (!segment) return TextAnswer(404);
  if (request.method != "DELETE") {
    Answer answer = TextAnswer(405);
    answer.headers.emplace_back("allow", "DELETE");
    return answer;
  }

  call.note = "token refused";
  if (!Authenticate(request, call)) return TrutoError(401, "The API token is missing or wrong");
  RateLimiter::Verdict verdict = token_limiter_.Count(call.caller, call.now);
  call.note = "limit of the token";
  if (!verdict.allowed) return RateLimited("Too many requests for this API token", std::move(verdict.headers));

  ParsedQuery query = ParseDeleteQuery(QueryOf(request));
  const std::optional<std::string> id = PercentDecode(*segment, false);
  if (!id) query.faults.insert(query.faults.begin(), {"id", "is not percent-encoded UTF-8"});
  call.id = id.value_or("");
  const bool malformed_account =
      std::ranges::find(query.faults, "integrated_account_id", &Fault::field) != query.faults.end();
  if (!query.parameters.integrated_account_id && call.token_account == nullptr && !malformed_account) {
    query.faults.push_back({"integrated_account_id", "is required"});
  }
  CheckHeaders(request, query.faults);
  call.note = "not valid";
  if (!query.faults.empty()) return RefusedRequest(query.faults);

  call.parameters = std::move(query.parameters);
  call.account = FindAccount(call);
  call.note = "no such account";
  if (call.account == nullptr) return TrutoError(404, "Integrated account not found");

  verdict = account_limiter_.Count(call.account->integrated_account_id, call.now);
  call.note = "limit of the account";
  if (!verdict.allowed) {
    return RateLimited("Too many requests for this integrated account", std::move(verdict.headers));
  }
  Answer answer = HandleDelete(request, call);
  std::ranges::move(verdict.headers, std::back_inserter(answer.headers));
  return answer;
}

Answer Sandbox::HandleDelete(const Request& request, Delete& call) {
  // The endpoint's page: "Collection with type project is required".
  call.note = "no collection";
  if (call.account->integration == Integration::kPivotalTracker && call.parameters.collections.empty()) {
    return MissingCollections();
  }

  const std::string_view idempotency_key = core::FindHeader(request.headers, "idempotency-key").value_or("");
  if (idempotency_key.empty()) return Execute(request, call);
  const std::string stored_key = call.caller + "\n" + std::string(idempotency_key) + "\n" + request.target;
  if (const Answer* stored = FindStored(stored_key)) {
    call.note = "answered again";
    return *stored;
  }
  Answer answer = Execute(request, call);
  // An error is not kept: the retries of one call have one key, and must be able to succeed.
  const bool success = answer.status < 300 && answer.ending == Answer::Ending::kComplete;
  if (success && answer.body.size() <= kMaxStoredBytes) {
    stored_answers_.emplace_back(stored_key, answer);
    if (stored_answers_.size() > kMaxStoredAnswers) stored_answers_.pop_front();
  }
  return answer;
}

Answer Sandbox::Execute(const Request& request, Delete& call) {
  if (FindScenario(call.id) != nullptr) return Provoke(request, call);
  call.note = "provider not called";
  if (call.parameters.skip_api_call) return AnswerWithoutCall(call.id, call.parameters);

  std::vector<User>& users = call.account->users;
  const auto user = std::ranges::find(users, call.id, &User::id);
  call.note = "no such user";
  if (user == users.end() || !IsWhereRequested(*call.account, *user, call.parameters)) {
    return UserUnknownToProvider(*call.account);
  }
  call.note = "deleted";
  Answer answer = AnswerForDeletedUser(*call.account, *user, call.parameters);
  users.erase(user);
  return answer;
}

Answer Sandbox::Provoke(const Request& request, Delete& call) {
  const Scenario& scenario = *FindScenario(call.id);
  call.note = "provoked";
  if (scenario.next == Next::kSame) return scenario.make(call.now);

  const std::string_view idempotency_key = core::FindHeader(request.headers, "idempotency-key").value_or("");
  const std::string key = call.account->integrated_account_id + call.id + std::string(idempotency_key);
  if (provoked_.insert(key).second) return scenario.make(call.now);
  provoked_.erase(key);
  call.note = "provoked before";
  return scenario.next == Next::kSuccess ? JsonAnswer(200, {{"id", call.id}}) : UserUnknownToProvider(*call.account);
}

bool Sandbox::Authenticate(const Request& request, Delete& call) const {
  constexpr std::string_view kScheme = "Bearer ";
  if (std::ranges::count(request.headers, "authorization", &std::pair<std::string, std::string>::first) != 1) {
    return false;
  }
  const std::string_view value = core::FindHeader(request.headers, "authorization").value_or("");
  if (!value.starts_with(kScheme)) return false;
  const std::string_view token = value.substr(kScheme.size());
  if (token == options_.token) {
    call.caller = "API token";
    return true;
  }
  const auto account = std::ranges::find(accounts_, token, &Account::token);
  if (account == accounts_.end()) return false;
  call.token_account = &*account;
  call.caller = "token of " + account->name;
  return true;
}

// Uuids are equal whatever their case (RFC 9562, 4).
Account* Sandbox::FindAccount(const Delete& call) {
  const std::string id = ToLower(call.parameters.integrated_account_id.value_or(
      call.token_account == nullptr ? "" : call.token_account->integrated_account_id));
  const auto account = std::ranges::find(accounts_, id, &Account::integrated_account_id);
  if (account == accounts_.end()) return nullptr;
  return call.token_account == nullptr || call.token_account == &*account ? &*account : nullptr;
}

const Answer* Sandbox::FindStored(const std::string& key) const {
  const auto stored = std::ranges::find(stored_answers_, key, &std::pair<std::string, Answer>::first);
  return stored == stored_answers_.end() ? nullptr : &stored->second;
}

void Sandbox::Reset() {
  accounts_ = SeedAccounts(options_.extra_users);
  stored_answers_.clear();
  provoked_.clear();
  token_limiter_.Reset();
  account_limiter_.Reset();
}

Json Sandbox::DescribeUsers() const {
  Json accounts = Json::array();
  for (const Account& account : accounts_) {
    Json users = Json::array();
    for (const User& user : account.users) {
      users.push_back({{"id", user.id},
                       {"name", user.first_name + " " + user.last_name},
                       {"path", std::string(kUsersPath) + PercentEncode(user.id)},
                       {"groups", user.groups},
                       {"unified_answer", ToString(user.unified_answer)}});
    }
    accounts.push_back({{"integration", account.name},
                        {"integrated_account_id", account.integrated_account_id},
                        {"token", account.token},
                        {"users", users}});
  }
  return {{"accounts", accounts}};
}

}  // namespace ticketing::sandbox
