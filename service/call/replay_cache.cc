#include "call/replay_cache.h"

#include <algorithm>
#include <array>
#include <list>
#include <map>
#include <string>
#include <utility>

namespace ticketing::call {
namespace {

using core::ErrorReason;
using core::StatusCode;
using std::chrono::milliseconds;

// What an entry takes besides its texts; measured with glibc: about 700.
constexpr std::size_t kEntryBytes = 768;

// The headers that an answer is rendered from.
constexpr std::array<std::string_view, 4> kKeptHeaders = {"content-type", "ratelimit-limit", "ratelimit-remaining",
                                                          "ratelimit-reset"};

std::size_t SizeOf(const core::HttpResponse& response) {
  std::size_t size = response.body.size();
  for (const auto& [name, value] : response.headers) size += name.size() + value.size();
  return size;
}

core::Failure Reused() {
  core::Failure failure =
      core::MakeServiceFailure(StatusCode::kInvalidArgument, ErrorReason::kRequestIdReused,
                               "The request_id belongs to a delete with other parameters; this one was not sent.");
  failure.field_violations.push_back({"request_id", "It was used for a delete with other parameters."});
  return failure;
}

// Not UNAVAILABLE: the delete that the call names may be executed at this moment.
core::Failure TooManyJoiners() {
  core::Failure failure =
      core::MakeServiceFailure(StatusCode::kResourceExhausted, ErrorReason::kRateLimited,
                               "Too many calls with this request_id wait for its delete, which is in flight.");
  failure.retry_after = milliseconds{1000};
  failure.quota_violations.push_back({"request_id", "The service limits how many calls wait for one delete."});
  return failure;
}

core::Failure TooManyDeletes() {
  core::Failure failure = core::MakeServiceFailure(StatusCode::kUnavailable, ErrorReason::kOverloaded,
                                                   "The service has too much to do; the delete was not sent.");
  failure.retry_after = milliseconds{1000};
  return failure;
}

core::Failure OutcomeUnknown(std::string message) {
  core::Failure failure =
      core::MakeServiceFailure(StatusCode::kUnknown, ErrorReason::kOutcomeUnknown, std::move(message));
  failure.delivery = core::Delivery::kUnknown;
  return failure;
}

// What those who joined a call are told of its failure.
ReplayCache::Join::End ForJoiners(const core::Failure& failure) {
  switch (failure.reason) {
    case ErrorReason::kCallerCancelled:
    case ErrorReason::kDeadlineExceededUnsent:
    case ErrorReason::kDeadlineExceededOutcomeUnknown: break;
    default: return failure;
  }
  if (failure.delivery != core::Delivery::kUnknown) return ReplayCache::Join::BeginAgain{};
  core::Failure unknown = OutcomeUnknown("Another call with this request_id sent the delete and gave up waiting.");
  unknown.request_id = failure.request_id;
  unknown.attempts = failure.attempts;
  unknown.http_status = failure.http_status;
  return unknown;
}

}  // namespace

struct ReplayCache::Lead::Entry {
  State* state = nullptr;
  const std::string* key = nullptr;
  std::string fingerprint;
  bool ambiguous = false;
  std::size_t bytes = 0;
  std::list<Join::Joiner*> joiners;

  bool in_flight = true;
  // Of one that has ended:
  TimePoint ended;
  Answer answer;  // null after another end than OK
  std::list<Entry*>::iterator by_end;
};

struct ReplayCache::Join::Joiner {
  Lead::Entry* entry = nullptr;  // null when it has ended
  std::list<Joiner*>::iterator in_entry;
  End end;
  std::function<void()> listener;
};

class ReplayCache::State {
 public:
  using Entry = Lead::Entry;
  using Joiner = Join::Joiner;

  explicit State(const ReplayOptions& options) : options_(options) {}

  Verdict Begin(std::string_view caller, std::string_view request_id, std::string_view fingerprint, TimePoint now);

  void Answered(Entry& entry, FinalAnswer answer, bool success, TimePoint now);
  void Failed(Entry& entry, const core::Failure& failure, TimePoint now);
  void Abandoned(Entry& entry) {
    Failed(entry, OutcomeUnknown("The service failed; this is a defect of it."), latest_);
  }

  std::size_t entries() const { return entries_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  // Each ends the leadership of `entry`, and takes those who joined out of it.
  std::list<Joiner*> Keep(Entry& entry, Answer answer, TimePoint now);
  std::list<Joiner*> Drop(Entry& entry);
  static void Tell(const std::list<Joiner*>& joiners, const Join::End& end);

  void Expire(TimePoint now);
  void EvictOldest();
  void Erase(Entry& entry);

  const ReplayOptions options_;
  std::map<std::string, Entry, std::less<>> entries_;
  std::list<Entry*> by_end_;  // those that have ended, the oldest first
  std::size_t bytes_ = 0;
  TimePoint latest_;
};

ReplayCache::Verdict ReplayCache::State::Begin(std::string_view caller, std::string_view request_id,
                                               std::string_view fingerprint, TimePoint now) {
  latest_ = now;
  Expire(now);
  std::string key(caller);
  key += '\0';
  key += request_id;

  const auto found = entries_.find(key);
  if (found == entries_.end()) {
    if (entries_.size() >= options_.most_entries) EvictOldest();
    if (entries_.size() >= options_.most_entries) return TooManyDeletes();
    const auto made = entries_.emplace(std::move(key), Entry{}).first;
    Entry& entry = made->second;
    entry.state = this;
    entry.key = &made->first;
    entry.fingerprint = fingerprint;
    entry.bytes = kEntryBytes + made->first.size() + fingerprint.size();
    bytes_ += entry.bytes;
    return Lead(entry);
  }

  Entry& entry = found->second;
  if (entry.fingerprint != fingerprint) return Reused();
  if (entry.in_flight) {
    if (entry.joiners.size() >= options_.most_joiners) return TooManyJoiners();
    auto joiner = std::make_unique<Joiner>();
    joiner->entry = &entry;
    joiner->in_entry = entry.joiners.insert(entry.joiners.end(), joiner.get());
    return Join(std::move(joiner));
  }
  if (entry.answer) return entry.answer;
  by_end_.erase(entry.by_end);
  entry.in_flight = true;
  return Lead(entry);
}

void ReplayCache::State::Answered(Entry& entry, FinalAnswer answer, bool success, TimePoint now) {
  std::erase_if(answer.response.headers,
                [](const auto& header) { return std::ranges::find(kKeptHeaders, header.first) == kKeptHeaders.end(); });
  entry.ambiguous = entry.ambiguous || answer.ambiguous_before;
  const auto shared = std::make_shared<const FinalAnswer>(std::move(answer));
  Answer kept = success ? shared : nullptr;
  if (kept && SizeOf(kept->response) > options_.most_bytes / 8) {
    kept = std::make_shared<const FinalAnswer>(
        FinalAnswer{.response = {.status = shared->response.status, .headers = {}, .body = {}, .truncated = true},
                    .ambiguous_before = shared->ambiguous_before,
                    .attempts = shared->attempts});
  }
  Tell(Keep(entry, std::move(kept), now), shared);
}

void ReplayCache::State::Failed(Entry& entry, const core::Failure& failure, TimePoint now) {
  if (failure.delivery == core::Delivery::kUnknown) entry.ambiguous = true;
  const bool sent = entry.ambiguous || failure.delivery != core::Delivery::kNotSent;
  Tell(sent ? Keep(entry, nullptr, now) : Drop(entry), ForJoiners(failure));
}

std::list<ReplayCache::State::Joiner*> ReplayCache::State::Keep(Entry& entry, Answer answer, TimePoint now) {
  latest_ = now;
  std::list<Joiner*> joiners = std::exchange(entry.joiners, {});
  entry.in_flight = false;
  entry.ended = now;
  if (answer) {
    const std::size_t size = SizeOf(answer->response);
    entry.bytes += size;
    bytes_ += size;
  }
  entry.answer = std::move(answer);
  entry.by_end = by_end_.insert(by_end_.end(), &entry);
  while (bytes_ > options_.most_bytes && !by_end_.empty()) EvictOldest();
  return joiners;
}

std::list<ReplayCache::State::Joiner*> ReplayCache::State::Drop(Entry& entry) {
  std::list<Joiner*> joiners = std::exchange(entry.joiners, {});
  Erase(entry);
  return joiners;
}

void ReplayCache::State::Tell(const std::list<Joiner*>& joiners, const Join::End& end) {
  for (Joiner* joiner : joiners) {
    joiner->entry = nullptr;
    joiner->end = end;
  }
  for (Joiner* joiner : joiners) {
    if (joiner->listener) joiner->listener();
  }
}

void ReplayCache::State::Expire(TimePoint now) {
  while (!by_end_.empty() && by_end_.front()->ended + options_.keep <= now) EvictOldest();
}

void ReplayCache::State::EvictOldest() {
  if (by_end_.empty()) return;
  Entry& oldest = *by_end_.front();
  by_end_.pop_front();
  Erase(oldest);
}

void ReplayCache::State::Erase(Entry& entry) {
  bytes_ -= entry.bytes;
  entries_.erase(entries_.find(*entry.key));
}

ReplayCache::Lead::Lead(Lead&& other) noexcept : entry_(std::exchange(other.entry_, nullptr)) {}
ReplayCache::Lead& ReplayCache::Lead::operator=(Lead&& other) noexcept {
  std::swap(entry_, other.entry_);
  return *this;
}
ReplayCache::Lead::~Lead() {
  if (entry_ != nullptr) entry_->state->Abandoned(*entry_);
}

bool ReplayCache::Lead::ambiguous_before() const {
  return entry_ != nullptr && entry_->ambiguous;
}

void ReplayCache::Lead::Answered(FinalAnswer answer, bool success, TimePoint now) {
  if (Entry* entry = std::exchange(entry_, nullptr)) entry->state->Answered(*entry, std::move(answer), success, now);
}

void ReplayCache::Lead::Failed(const core::Failure& failure, TimePoint now) {
  if (Entry* entry = std::exchange(entry_, nullptr)) entry->state->Failed(*entry, failure, now);
}

ReplayCache::Join::Join(std::unique_ptr<Joiner> joiner) : joiner_(std::move(joiner)) {}
ReplayCache::Join::Join(Join&&) noexcept = default;
ReplayCache::Join& ReplayCache::Join::operator=(Join&& other) noexcept {
  std::swap(joiner_, other.joiner_);
  return *this;
}
ReplayCache::Join::~Join() {
  if (joiner_ && joiner_->entry != nullptr) joiner_->entry->joiners.erase(joiner_->in_entry);
}

bool ReplayCache::Join::ended() const {
  return joiner_->entry == nullptr;
}

const ReplayCache::Join::End& ReplayCache::Join::end() const {
  return joiner_->end;
}

void ReplayCache::Join::Listen(std::function<void()> listener) {
  if (!ended()) joiner_->listener = std::move(listener);
}

ReplayCache::ReplayCache(const ReplayOptions& options) : state_(std::make_unique<State>(options)) {}
ReplayCache::~ReplayCache() = default;

ReplayCache::Verdict ReplayCache::Begin(std::string_view caller, std::string_view request_id,
                                        std::string_view fingerprint, TimePoint now) {
  return state_->Begin(caller, request_id, fingerprint, now);
}

std::size_t ReplayCache::entries() const {
  return state_->entries();
}

std::size_t ReplayCache::bytes() const {
  return state_->bytes();
}

}  // namespace ticketing::call
