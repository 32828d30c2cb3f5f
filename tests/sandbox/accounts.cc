#include "tests/sandbox/accounts.h"

#include <algorithm>

namespace ticketing::sandbox {

std::vector<Account> SeedAccounts(unsigned extra_users) {
  using enum UnifiedAnswer;
  // NOLINTBEGIN(modernize-use-designated-initializers): a table; its columns are those of User
  std::vector<Account> accounts{
      {Integration::kPivotalTracker,
       "Pivotal Tracker",
       "0a4b9e1c-5d3f-4c7a-9b21-6f0e8d7c5a11",
       "sandbox-token-pivotal-tracker",
       {
           {"16200", "Robert", "Palmer", "robert.palmer@example.com", "Member", {"99"}},
           {"16201", "Grace", "Hopper", "grace.hopper@example.com", "Owner", {"99", "98"}},
           {"16202", "Alan", "Turing", "alan.turing@example.com", "Viewer", {"98"}},
           {"16203", "Katherine", "Johnson", "katherine.johnson@example.com", "Member", {"99"}, kIdOnly},
           {"16204", "Dennis", "Ritchie", "dennis.ritchie@example.com", "Member", {"99"}, kIdOnly},
           {"16205", "Barbara", "Liskov", "barbara.liskov@example.com", "Owner", {"98"}, kNoContent},
       }},
      {Integration::kZohoProjects,
       "Zoho Projects",
       "1c7d2f4e-8a6b-4e5d-a3c9-2b1f0e9d8c22",
       "sandbox-token-zoho-projects",
       {
           {"2063927000000079003", "Zoë", "Müller", "zoe.mueller@example.com", "Manager", {"20063927"}},
           {"2063927000000079005", "Rahul", "Iyer", "rahul.iyer@example.com", "Employee", {"20063927"}},
           {"2063927000000079007", "Mei", "Chen", "mei.chen@example.com", "Employee", {"20063927"}, kIdOnly},
           {"2063927000000079009", "Omar", "Haddad", "omar.haddad@example.com", "Contractor", {"20063928"}},
           {"2063927000000079011", "Ingrid", "Solberg", "ingrid.solberg@example.com", "Admin", {"20063928"}, kIdOnly},
           {"2063927000000079013", "Kofi", "Mensah", "kofi.mensah@example.com", "Employee", {"20063927"}, kNoContent},
       }},
      // The account and the first user are the examples of the endpoint's page.
      {Integration::kHelpScout,
       "Help Scout",
       "62f44730-dd91-461e-bd6a-aedd9e0ad79d",
       "sandbox-token-help-scout",
       {
           {"23423523", "Vernon", "Bear", "vernon.bear@example.com", "Owner", {"101", "102"}},
           {"23423524", "Ana", "Souza", "ana.souza@example.com", "User", {"101"}},
           {"23423525", "Tom", "Baker", "tom.baker@example.com", "User", {"102"}, kIdOnly},
           {"23423526", "Yuki", "Tanaka", "yuki.tanaka@example.com", "Administrator", {"101"}, kIdOnly},
           {"23423527", "Nora", "Quinn", "nora.quinn@example.com", "Light User", {"103"}, kNoContent},
           {"23423528", "Luca", "Rossi", "luca.rossi@example.com", "User", {"103"}},
       }},
      {Integration::kHive,
       "Hive",
       "2e9f3a5d-7b8c-4f6e-b4da-3c2a1f0e9d33",
       "sandbox-token-hive",
       {
           {"nKqyGsBwaFCyJvCKz", "Ada", "Lovelace", "ada.lovelace@example.com", "Admin", {"Qm4cTeam"}},
           {"5f9f7e25-3c1a-4b8e-9d2f-7a6b5c4d3e21", "Linus", "Berg", "linus.berg@example.com", "Member", {"Qm4cTeam"}},
           {"teams/ops 7", "Priya", "Nair", "priya.nair@example.com", "Member", {"Ops7Team"}},
           {"zoë.müller", "Zoë", "Müller", "zoe@example.com", "Member", {"Ops7Team"}},
           {"bW3xZrTq9LkPfYd2S", "Sam", "Okafor", "sam.okafor@example.com", "Guest", {"Qm4cTeam"}, kIdOnly},
           {"hT8vNcRj4MwQgXb6A", "Eva", "Lund", "eva.lund@example.com", "Member", {"Qm4cTeam"}, kNoContent},
           {"pD5sKfWm7ZyGhLc3V", "Hive", "Robot", "robot@example.com", "Member", {"Ops7Team"}, kStatic},
       }},
  };
  // NOLINTEND(modernize-use-designated-initializers)
  auto& help_scout = *std::ranges::find(accounts, Integration::kHelpScout, &Account::integration);
  for (unsigned i = 1; i <= extra_users; ++i) {
    const std::string number = std::to_string(i);
    help_scout.users.push_back({.id = number,
                                .first_name = "Extra",
                                .last_name = number,
                                .email = "extra." + number + "@example.com",
                                .role = "User",
                                .groups = {"101"}});
  }
  return accounts;
}

std::string_view ToString(UnifiedAnswer answer) {
  switch (answer) {
    case UnifiedAnswer::kFullUser: return "full user";
    case UnifiedAnswer::kIdOnly: return "id only";
    case UnifiedAnswer::kNoContent: return "204, no body";
    case UnifiedAnswer::kStatic: return "id only, static";
  }
  return "";
}

}  // namespace ticketing::sandbox
