// The stand-in for `DELETE /unified/ticketing/users/{id}`: from a request to its answer, without any network.
#pragma once

#include <deque>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sandbox/accounts.h"
#include "tests/sandbox/message.h"
#include "tests/sandbox/rate_limiter.h"
#include "tests/sandbox/request_log.h"

namespace ticketing::sandbox {

struct Options {
  std::string token = "sandbox-token";  // the API token, good for every account
  // Requests in 10 s (reference: Truto's page on rate limits); 0: no limit.
  unsigned account_limit = 50;
  unsigned token_limit = 500;
  unsigned extra_users = 0;  // of Help Scout, for long lists
};

// Safe for several threads.
class Sandbox {
 public:
  // `print` gets one line for each request.
  Sandbox(Options options, Clock clock, RequestLog::Print print = {});

  // Answers a request:
  // - the endpoint, checked in this order: path and method, token, limit of the token, parameters and headers, account,
  //   limit of the account, `collections`, Idempotency-Key, provoked answers, and last the user itself;
  // - the sandbox's own addresses under /sandbox/, which need no token and are not recorded;
  // - everything else: 404 without Truto's envelope.
  Answer Handle(const Request& request);

 private:
  struct Delete;

  Answer HandleOwn(const Request& request);
  Answer HandleApi(const Request& request, Delete& call);
  Answer HandleDelete(const Request& request, Delete& call);
  Answer Execute(const Request& request, Delete& call);
  Answer Provoke(const Request& request, Delete& call);
  bool Authenticate(const Request& request, Delete& call) const;
  Account* FindAccount(const Delete& call);
  const Answer* FindStored(const std::string& key) const;
  void Reset();
  Json DescribeUsers() const;

  const Options options_;
  const Clock clock_;

  std::mutex mutex_;  // guards everything below
  std::vector<Account> accounts_;
  RateLimiter token_limiter_;
  RateLimiter account_limiter_;
  std::deque<std::pair<std::string, Answer>> stored_answers_;  // by Idempotency-Key and request
  std::set<std::string> provoked_;                             // scenarios whose first answer was given
  RequestLog log_;
};

}  // namespace ticketing::sandbox
