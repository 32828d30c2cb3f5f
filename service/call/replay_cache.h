// What is known of deletes by their request_id: those in flight, to be joined, and those that ended, to be replayed.
// Decisions only: nothing here waits or reads a clock.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <variant>

#include "call/time_point.h"
#include "core/failure.h"
#include "core/http_message.h"

namespace ticketing::call {

// The HTTP answer that ended a delete, a 2xx or a 404 that says that the user is absent, and what else it takes to
// render it for any call, whatever its allow_missing and include_http_body.
struct FinalAnswer {
  core::HttpResponse response;
  bool ambiguous_before = false;  // an earlier attempt may have been executed
  std::uint32_t attempts = 0;
};

struct ReplayOptions {
  std::chrono::milliseconds keep = std::chrono::minutes(15);
  std::size_t most_entries = 50'000;
  std::size_t most_bytes = 64 * 1024 * 1024;
  std::size_t most_joiners = 16;  // of one delete
};

// A call that names the request_id of one in flight joins it. After an OK, calls get that answer again; after any other
// end they run anew and are told whether an earlier attempt was ambiguous. What ended before anything was sent is
// forgotten at once. Another request under the same request_id is refused. All of it holds for one caller: the same
// request_id of another one is another delete.
//
// Joiners get the end of the call that they joined, whatever it is, with these exceptions, since its caller's matters
// are not theirs: when it was cancelled or out of time before anything was executed, they begin again, and the first of
// them leads; when it was so afterwards, they are told OUTCOME_UNKNOWN, and none of them sends the delete once more.
//
// Bounded in entries and bytes: the ones that ended first give way, never one in flight. An answer of more than an
// eighth of the bytes is kept without its body, as truncated: a repeat must not execute it again. Never holds a token.
//
// Used on the loop thread; outlives its leads and joins.
class ReplayCache {
 private:
  class State;

 public:
  // Shared by all that get it; must not be changed.
  using Answer = std::shared_ptr<const FinalAnswer>;

  // The call is to run, and to tell its end. Destroyed without that, it has an unknown outcome.
  class [[nodiscard]] Lead {
   public:
    Lead(Lead&& other) noexcept;
    Lead& operator=(Lead&& other) noexcept;
    ~Lead();

    // Whether an earlier call with the request_id made an attempt that may have been executed.
    bool ambiguous_before() const;

    // The end with an answer. `success`: the answer to this call is OK. Calls the listeners of those who joined.
    void Answered(FinalAnswer answer, bool success, TimePoint now);
    // The end without one; `failure` is what this call's caller gets. Calls the listeners of those who joined.
    void Failed(const core::Failure& failure, TimePoint now);

   private:
    friend class ReplayCache;
    struct Entry;
    explicit Lead(Entry& entry) : entry_(&entry) {}
    Entry* entry_;
  };

  // The call is to wait for the end of another one. Destroyed before, it leaves.
  class [[nodiscard]] Join {
   public:
    Join(Join&& other) noexcept;
    Join& operator=(Join&& other) noexcept;
    ~Join();

    bool ended() const;
    struct BeginAgain {};
    using End = std::variant<BeginAgain, Answer, core::Failure>;
    // Only when ended().
    const End& end() const;
    // Calls `listener` once, when it has ended; an empty one ends that. It is called from within a function of Lead, so
    // it must only wake who waits. Not called when it has ended already.
    void Listen(std::function<void()> listener);

   private:
    friend class ReplayCache;
    struct Joiner;
    explicit Join(std::unique_ptr<Joiner> joiner);
    std::unique_ptr<Joiner> joiner_;
  };

  explicit ReplayCache(const ReplayOptions& options = {});
  ReplayCache(const ReplayCache&) = delete;
  ReplayCache& operator=(const ReplayCache&) = delete;
  ~ReplayCache();

  // A call begins. `caller` names who calls: the same name for the same caller, another one for any other, and no token
  // in clear. `fingerprint` is the same for the same request on the wire, and another one for any other: the URL
  // itself. An Answer is one to replay; a failure (REQUEST_ID_REUSED; or too many calls) is the call's end.
  using Verdict = std::variant<Lead, Join, Answer, core::Failure>;
  Verdict Begin(std::string_view caller, std::string_view request_id, std::string_view fingerprint, TimePoint now);

  std::size_t entries() const;
  std::size_t bytes() const;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace ticketing::call
