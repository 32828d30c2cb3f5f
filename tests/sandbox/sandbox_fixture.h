// A sandbox with a clock that stands still, for the tests of this folder.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/sandbox/sandbox.h"

namespace ticketing::sandbox {

inline constexpr std::string_view kPivotalTracker = "0a4b9e1c-5d3f-4c7a-9b21-6f0e8d7c5a11";
inline constexpr std::string_view kZohoProjects = "1c7d2f4e-8a6b-4e5d-a3c9-2b1f0e9d8c22";
inline constexpr std::string_view kHelpScout = "62f44730-dd91-461e-bd6a-aedd9e0ad79d";
inline constexpr std::string_view kHive = "2e9f3a5d-7b8c-4f6e-b4da-3c2a1f0e9d33";

class SandboxTest : public ::testing::Test {
 protected:
  // DELETE of `segment`, encoded, as the service sends it.
  static Request MakeRequest(std::string_view segment, std::string_view account, std::string_view more = "") {
    std::string target = "/unified/ticketing/users/";
    target.append(segment).append("?integrated_account_id=").append(account).append(more);
    return {.method = "DELETE",
            .target = std::move(target),
            .headers = {{"authorization", "Bearer sandbox-token"},
                        {"accept", "application/json"},
                        {"content-type", "application/json"}}};
  }

  static Request WithKey(Request request, const std::string& key) {
    request.headers.emplace_back("idempotency-key", key);
    return request;
  }

  Answer Delete(std::string_view segment, std::string_view account, std::string_view more = "") {
    return sandbox_.Handle(MakeRequest(segment, account, more));
  }

  Answer Own(const std::string& method, const std::string& target) {
    return sandbox_.Handle({.method = method, .target = target});
  }

  // The fields that `details.failures` of a refused request names.
  static std::vector<std::string> Failures(const Answer& answer) {
    std::vector<std::string> fields;
    const Json body = Json::parse(answer.body);
    for (const Json& failure : body.at("details").at("failures")) fields.push_back(failure.at("field"));
    return fields;
  }

  Time now_{std::chrono::seconds(1'725'184'800)};
  std::vector<std::string> lines_;
  Sandbox sandbox_{{}, [this] { return now_; }, [this](const std::string& line) { lines_.push_back(line); }};
};

}  // namespace ticketing::sandbox
