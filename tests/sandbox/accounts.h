// The integrated accounts and users that the sandbox begins with.
#pragma once

#include <string>
#include <vector>

namespace ticketing::sandbox {

enum class Integration { kPivotalTracker, kZohoProjects, kHelpScout, kHive };

// What a delete of the user answers in the format `unified`.
enum class UnifiedAnswer {
  kFullUser,
  kIdOnly,     // {"id": …}, as is common after a delete
  kNoContent,  // 204
  kStatic,     // {"id": …} without a call of the provider: `debug` is null
};

struct User {
  std::string id;
  std::string first_name;
  std::string last_name;
  std::string email;
  std::string role;  // "Owner"
  // The projects (Pivotal Tracker), organizations (Zoho Projects) or teams that the user belongs to; never empty.
  std::vector<std::string> groups;
  UnifiedAnswer unified_answer = UnifiedAnswer::kFullUser;
};

struct Account {
  Integration integration;
  std::string name;                   // "Pivotal Tracker"
  std::string integrated_account_id;  // a uuid
  std::string token;                  // an integrated-account token, which implies the account
  std::vector<User> users;
};

// The same accounts and users every time; Help Scout's account also has so many with the ids 1, 2, ...
std::vector<Account> SeedAccounts(unsigned extra_users = 0);

// "full user"
std::string_view ToString(UnifiedAnswer answer);

}  // namespace ticketing::sandbox
