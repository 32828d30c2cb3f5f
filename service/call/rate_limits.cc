#include "call/rate_limits.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <list>
#include <map>
#include <utility>
#include <vector>

namespace ticketing::call {
namespace {

using std::chrono::milliseconds;
using Duration = TimePoint::duration;

// How fast a bucket fills, and how much it holds.
class Rate {
 public:
  Rate(double per_second, std::uint32_t burst) {
    if (!(per_second > 0)) return;
    // Beyond these, sums of times could overflow.
    constexpr double kLongestInterval = 3600e9;
    constexpr std::uint32_t kLargestBurst = 1'000'000;
    interval_ =
        std::chrono::nanoseconds(static_cast<std::int64_t>(std::ceil(std::min(1e9 / per_second, kLongestInterval))));
    depth_ = interval_ * (std::clamp(burst, 1U, kLargestBurst) - 1);
  }

  bool limited() const { return interval_ > Duration{0}; }
  // Between two permits.
  Duration interval() const { return interval_; }
  // A bucket that will be full at t has its next permit at t - depth.
  Duration depth() const { return depth_; }

 private:
  Duration interval_{0};
  Duration depth_{0};
};

// Without a limit it is always full.
struct Bucket {
  TimePoint NextPermit(const Rate& rate) const { return full_at - rate.depth(); }
  void Take(const Rate& rate, TimePoint now) { full_at = std::max(full_at, now) + rate.interval(); }
  void CloseUntil(TimePoint reset, const Rate& rate) {
    if (rate.limited()) full_at = std::max(full_at, reset + rate.depth());
  }

  TimePoint full_at;
};

template <typename Entry>
using ByTime = std::multimap<TimePoint, Entry*>;

// Takes what `at` points to, if anything, out of `container`.
template <typename Container>
void Remove(Container& container, std::optional<typename Container::iterator>& at) {
  if (at) container.erase(*at);
  at.reset();
}

std::string AccountKey(std::string_view token, std::string_view account) {
  std::string key(token);
  key += '\0';
  key += account;
  return key;
}

}  // namespace

class RateLimits::State {
 public:
  using Waiting = Place::Waiting;
  struct Token;

  // In exactly one of idle_accounts_, Token::turn and Token::later.
  struct Account {
    const std::string* key = nullptr;
    Token* token = nullptr;
    Bucket bucket;
    std::list<Waiting*> queue;
    std::optional<ByTime<Account>::iterator> idle;
    std::optional<std::list<Account*>::iterator> turn;
    std::optional<ByTime<Account>::iterator> later;
  };

  // Outlives its tracked accounts.
  struct Token {
    const std::string* key = nullptr;
    Bucket bucket;
    std::size_t accounts = 0;  // tracked
    std::list<Account*> turn;  // those with waiting calls and a permit of their own; the first is next
    ByTime<Account> later;     // those with waiting calls, by the time of their next permit
    // [n]: how many accounts have more than n calls waiting.
    std::array<std::uint32_t, kLongestQueue> queues{};
    std::string limited_account;  // whose 429 was the last
    std::optional<TimePoint> limited_at;
    std::optional<ByTime<Token>::iterator> idle;
    std::optional<ByTime<Token>::iterator> agenda;
  };

  explicit State(const RateLimitOptions& options)
      : token_rate_(options.token_rate, options.token_burst),
        account_rate_(options.account_rate, options.account_burst),
        most_tokens_(options.most_tokens),
        most_accounts_(options.most_accounts) {}

  Place Enter(std::string_view token_name, std::string_view account_name, TimePoint now, milliseconds remaining);
  void OnRateLimited(std::string_view token_name, std::string_view account_name, core::Origin origin,
                     milliseconds retry_after, TimePoint now);
  void Advance(TimePoint now);
  std::optional<TimePoint> NextChange() const;
  void Leave(Waiting& waiting);

  std::size_t waiting() const { return by_latest_.size(); }
  std::size_t tracked_accounts() const { return accounts_.size(); }
  std::size_t tracked_tokens() const { return tokens_.size(); }

 private:
  // Each finds or makes an entry; null when there is no room for one.
  Token* Track(std::string_view name, TimePoint now);
  Account* Track(std::string_view key, Token& token, TimePoint now);
  void ForgetWhatIsFull(TimePoint now);
  void Forget(Account& account);
  // Puts an entry where its state says that it belongs.
  void Index(Account& account, TimePoint now);
  void Index(Token& token);

  // When one more call would get its permit, and which of the limits says so.
  Refusal Estimate(const Token& token, const Account* account, TimePoint now) const;
  void Dispatch(Token& token, TimePoint now);
  void Decide(Waiting& waiting, std::optional<Refusal> refusal);
  void Tell();

  const Rate token_rate_;
  const Rate account_rate_;
  const std::size_t most_tokens_;
  const std::size_t most_accounts_;
  std::map<std::string, Token, std::less<>> tokens_;
  std::map<std::string, Account, std::less<>> accounts_;
  ByTime<Token> idle_tokens_;      // those without tracked accounts, by the time at which they can be forgotten
  ByTime<Account> idle_accounts_;  // those without waiting calls, by the time at which they can be forgotten
  ByTime<Token> agenda_;           // those with waiting calls, by the time at which one of them may go
  ByTime<Waiting> by_latest_;      // all that wait
  std::vector<Waiting*> decided_;  // those that are to be told
};

struct RateLimits::Place::Waiting {
  State* state = nullptr;
  State::Account* account = nullptr;
  std::list<Waiting*>::iterator in_queue;
  ByTime<Waiting>::iterator by_latest;

  bool decided = false;
  std::optional<Refusal> refusal;
  std::function<void()> listener;
};

RateLimits::Place RateLimits::State::Enter(std::string_view token_name, std::string_view account_name, TimePoint now,
                                           milliseconds remaining) {
  if (!token_rate_.limited() && !account_rate_.limited()) return Place(std::nullopt);
  Advance(now);
  ForgetWhatIsFull(now);
  Token* token = Track(token_name, now);
  if (token == nullptr) return Place(std::nullopt);
  const std::string key = AccountKey(token_name, account_name);
  const auto found = accounts_.find(key);
  Account* account = found == accounts_.end() ? nullptr : &found->second;

  // Whoever was waiting for these permits has been served by Advance().
  const bool account_ready = account == nullptr || account->bucket.NextPermit(account_rate_) <= now;
  if (account_ready && token->bucket.NextPermit(token_rate_) <= now) {
    if (account == nullptr) account = Track(key, *token, now);
    if (account != nullptr) {
      account->bucket.Take(account_rate_, now);
      Index(*account, now);
    }
    token->bucket.Take(token_rate_, now);
    Index(*token);
    return Place(std::nullopt);
  }

  const Refusal estimate = Estimate(*token, account, now);
  const milliseconds longest = std::min(kLongestWait, remaining / 4);
  const bool full = account != nullptr && account->queue.size() >= kLongestQueue;
  if (full || estimate.retry_after > longest) return Place(estimate);
  if (account == nullptr) account = Track(key, *token, now);
  if (account == nullptr) return Place(estimate);

  auto waiting = std::make_unique<Waiting>();
  waiting->state = this;
  waiting->account = account;
  waiting->in_queue = account->queue.insert(account->queue.end(), waiting.get());
  waiting->by_latest = by_latest_.emplace(now + longest, waiting.get());
  ++token->queues.at(account->queue.size() - 1);
  if (account->queue.size() == 1) Index(*account, now);
  Index(*token);
  return Place(std::move(waiting));
}

void RateLimits::State::OnRateLimited(std::string_view token_name, std::string_view account_name, core::Origin origin,
                                      milliseconds retry_after, TimePoint now) {
  if (!token_rate_.limited() && !account_rate_.limited()) return;
  Advance(now);
  ForgetWhatIsFull(now);
  Token* token = Track(token_name, now);
  if (token == nullptr) return;
  const TimePoint reset = now + std::clamp<Duration>(retry_after, Duration{0}, kLongestClosing);
  if (Account* account = Track(AccountKey(token_name, account_name), *token, now)) {
    account->bucket.CloseUntil(reset, account_rate_);
    Index(*account, now);
  }
  if (origin == core::Origin::kTruto) {
    const bool second =
        token->limited_at && now - *token->limited_at <= kTokenWindow && token->limited_account != account_name;
    if (second) token->bucket.CloseUntil(std::min<TimePoint>(reset, now + kTokenWindow), token_rate_);
    token->limited_account = account_name;
    token->limited_at = now;
  }
  Index(*token);
}

void RateLimits::State::Advance(TimePoint now) {
  // A clock that comes late must not let a call wait longer than it may; one that comes in time must not refuse a call
  // whose permit is due.
  while (!by_latest_.empty() && by_latest_.begin()->first < now) {
    Waiting& waiting = *by_latest_.begin()->second;
    Decide(waiting, Estimate(*waiting.account->token, waiting.account, now));
  }
  while (!agenda_.empty() && agenda_.begin()->first <= now) Dispatch(*agenda_.begin()->second, now);
  while (!by_latest_.empty() && by_latest_.begin()->first <= now) {
    Waiting& waiting = *by_latest_.begin()->second;
    Decide(waiting, Estimate(*waiting.account->token, waiting.account, now));
  }
  Tell();
}

std::optional<TimePoint> RateLimits::State::NextChange() const {
  if (by_latest_.empty()) return std::nullopt;
  return std::min(by_latest_.begin()->first, agenda_.begin()->first);
}

void RateLimits::State::Dispatch(Token& token, TimePoint now) {
  while (!token.later.empty() && token.later.begin()->first <= now) Index(*token.later.begin()->second, now);
  while (!token.turn.empty() && token.bucket.NextPermit(token_rate_) <= now) {
    Account& account = *token.turn.front();
    account.bucket.Take(account_rate_, now);
    token.bucket.Take(token_rate_, now);
    Decide(*account.queue.front(), std::nullopt);
    Index(account, now);
  }
  Index(token);
}

void RateLimits::State::Decide(Waiting& waiting, std::optional<Refusal> refusal) {
  waiting.decided = true;
  waiting.refusal = refusal;
  decided_.push_back(&waiting);
  Leave(waiting);
}

void RateLimits::State::Leave(Waiting& waiting) {
  Account& account = *waiting.account;
  by_latest_.erase(waiting.by_latest);
  account.queue.erase(waiting.in_queue);
  --account.token->queues.at(account.queue.size());
  if (!account.queue.empty()) return;
  Index(account, TimePoint{});
  Index(*account.token);
}

void RateLimits::State::Tell() {
  for (Waiting* waiting : std::exchange(decided_, {})) {
    if (waiting->listener) waiting->listener();
  }
}

RateLimits::Refusal RateLimits::State::Estimate(const Token& token, const Account* account, TimePoint now) const {
  const std::size_t queued = account == nullptr ? 0 : account->queue.size();
  TimePoint account_at = now;
  if (account != nullptr) account_at = account->bucket.NextPermit(account_rate_) + account_rate_.interval() * queued;
  // In turn, each account has at most as many calls served before this one as its own has.
  std::uint32_t ahead = 0;
  for (std::size_t n = 0; n <= queued && n < token.queues.size(); ++n) ahead += token.queues.at(n);
  const TimePoint token_at = token.bucket.NextPermit(token_rate_) + token_rate_.interval() * ahead;

  const Duration wait = std::max(account_at, token_at) - now;
  return {.limit = account_at >= token_at ? Limit::kAccount : Limit::kToken,
          .retry_after = std::max(std::chrono::ceil<milliseconds>(wait), milliseconds{1})};
}

RateLimits::State::Token* RateLimits::State::Track(std::string_view name, TimePoint now) {
  if (const auto found = tokens_.find(name); found != tokens_.end()) return &found->second;
  if (tokens_.size() >= most_tokens_) {
    if (idle_tokens_.empty()) return nullptr;
    Token& fullest = *idle_tokens_.begin()->second;
    if (fullest.bucket.NextPermit(token_rate_) > now) return nullptr;
    Remove(idle_tokens_, fullest.idle);
    tokens_.erase(tokens_.find(*fullest.key));
  }
  const auto made = tokens_.emplace(name, Token{}).first;
  made->second.key = &made->first;
  Index(made->second);
  return &made->second;
}

RateLimits::State::Account* RateLimits::State::Track(std::string_view key, Token& token, TimePoint now) {
  if (const auto found = accounts_.find(key); found != accounts_.end()) return &found->second;
  if (accounts_.size() >= most_accounts_) {
    if (idle_accounts_.empty()) return nullptr;
    Account& fullest = *idle_accounts_.begin()->second;
    if (fullest.bucket.NextPermit(account_rate_) > now) return nullptr;
    Forget(fullest);
  }
  const auto made = accounts_.emplace(key, Account{}).first;
  made->second.key = &made->first;
  made->second.token = &token;
  ++token.accounts;
  Index(made->second, now);
  return &made->second;
}

void RateLimits::State::ForgetWhatIsFull(TimePoint now) {
  while (!idle_accounts_.empty() && idle_accounts_.begin()->first <= now) Forget(*idle_accounts_.begin()->second);
  while (!idle_tokens_.empty() && idle_tokens_.begin()->first <= now) {
    Token& token = *idle_tokens_.begin()->second;
    Remove(idle_tokens_, token.idle);
    tokens_.erase(tokens_.find(*token.key));
  }
}

void RateLimits::State::Forget(Account& account) {
  Token& token = *account.token;
  Remove(idle_accounts_, account.idle);
  accounts_.erase(accounts_.find(*account.key));
  --token.accounts;
  Index(token);
}

void RateLimits::State::Index(Account& account, TimePoint now) {
  Token& token = *account.token;
  Remove(idle_accounts_, account.idle);
  Remove(token.turn, account.turn);
  Remove(token.later, account.later);
  const TimePoint next = account.bucket.NextPermit(account_rate_);
  if (account.queue.empty()) {
    account.idle = idle_accounts_.emplace(account.bucket.full_at, &account);
  } else if (next <= now) {
    account.turn = token.turn.insert(token.turn.end(), &account);
  } else {
    account.later = token.later.emplace(next, &account);
  }
}

void RateLimits::State::Index(Token& token) {
  Remove(agenda_, token.agenda);
  Remove(idle_tokens_, token.idle);
  const TimePoint next = token.bucket.NextPermit(token_rate_);
  if (!token.turn.empty()) {
    token.agenda = agenda_.emplace(next, &token);
  } else if (!token.later.empty()) {
    token.agenda = agenda_.emplace(std::max(next, token.later.begin()->first), &token);
  }
  if (token.accounts == 0) {
    const TimePoint told = token.limited_at ? *token.limited_at + kTokenWindow : TimePoint{};
    token.idle = idle_tokens_.emplace(std::max(token.bucket.full_at, told), &token);
  }
}

RateLimits::Place::Place(std::optional<Refusal> refusal) : refusal_(refusal) {}
RateLimits::Place::Place(std::unique_ptr<Waiting> waiting) : waiting_(std::move(waiting)) {}
RateLimits::Place::Place(Place&&) noexcept = default;
RateLimits::Place& RateLimits::Place::operator=(Place&& other) noexcept {
  std::swap(waiting_, other.waiting_);
  std::swap(refusal_, other.refusal_);
  return *this;
}
RateLimits::Place::~Place() {
  if (waiting_ && !waiting_->decided) waiting_->state->Leave(*waiting_);
}

bool RateLimits::Place::decided() const {
  return !waiting_ || waiting_->decided;
}

const std::optional<RateLimits::Refusal>& RateLimits::Place::refusal() const {
  return waiting_ ? waiting_->refusal : refusal_;
}

void RateLimits::Place::Listen(std::function<void()> listener) {
  if (waiting_) waiting_->listener = std::move(listener);
}

RateLimits::RateLimits(const RateLimitOptions& options) : state_(std::make_unique<State>(options)) {}
RateLimits::~RateLimits() = default;

RateLimits::Place RateLimits::Enter(std::string_view token, std::string_view account, TimePoint now,
                                    milliseconds remaining) {
  return state_->Enter(token, account, now, remaining);
}

void RateLimits::OnRateLimited(std::string_view token, std::string_view account, core::Origin origin,
                               milliseconds retry_after, TimePoint now) {
  state_->OnRateLimited(token, account, origin, retry_after, now);
}

void RateLimits::Advance(TimePoint now) {
  state_->Advance(now);
}

std::optional<TimePoint> RateLimits::NextChange() const {
  return state_->NextChange();
}

std::size_t RateLimits::waiting() const {
  return state_->waiting();
}

std::size_t RateLimits::tracked_accounts() const {
  return state_->tracked_accounts();
}

std::size_t RateLimits::tracked_tokens() const {
  return state_->tracked_tokens();
}

core::Failure RateLimited(const RateLimits::Refusal& refusal, std::string_view integrated_account_id) {
  core::Failure failure =
      core::MakeServiceFailure(core::StatusCode::kResourceExhausted, core::ErrorReason::kRateLimited, "");
  failure.retry_after = refusal.retry_after;
  if (refusal.limit == RateLimits::Limit::kToken) {
    failure.message = "The service's own rate limit for the API token is reached; the delete was not sent.";
    failure.quota_violations.push_back({"API token", "The service limits how often it calls Truto with one token."});
    return failure;
  }
  failure.message = "The service's own rate limit for the integrated account is reached; the delete was not sent.";
  failure.quota_violations.push_back(
      {integrated_account_id.empty() ? "the token's integrated account" : std::string(integrated_account_id),
       "The service limits how often it calls Truto for one integrated account."});
  return failure;
}

}  // namespace ticketing::call
