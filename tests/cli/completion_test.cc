// Completion in the shells themselves, and the manual page as man formats it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "cli/command_table.h"
#include "cli/completion.h"
#include "cli/manual_page.h"
#include "tests/support/temporary_directory.h"

namespace ticketing::cli {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Words = std::vector<std::string>;

// What a shell command writes, error messages included.
std::string Shell(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(("exec 2>&1; " + command).c_str(), "r"), ::pclose);
  std::string text;
  std::array<char, 4096> buffer{};
  while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe.get())) {
    text.append(buffer.data(), count);
  }
  return text;
}

Words Lines(const std::string& text) {
  Words lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

class Completion : public testing::Test {
 protected:
  // What bash proposes for the last of `words`; those before are what bash makes of the line.
  Words Bash(const Words& words) {
    const std::string script = folder_.WriteFile("completion.bash", BashCompletion(*MakeCommandTable()));
    std::string command = ". " + script + "\nCOMP_WORDS=(ticketing-user";
    for (const std::string& word : words) command += " '" + word + "'";
    command += ")\nCOMP_CWORD=" + std::to_string(words.size()) +
               "\n_ticketing-user\n((${#COMPREPLY[@]})) && printf '%s\\n' \"${COMPREPLY[@]}\"\n";
    return Lines(Shell("bash " + folder_.WriteFile("try.bash", command)));
  }

  // What zsh's _arguments is told for a command, or what it says of the script.
  Words Zsh(const std::string& name) {
    const std::string script = folder_.WriteFile("completion.zsh", ZshCompletion(*MakeCommandTable()));
    return Lines(Shell("zsh -f " + folder_.WriteFile("try.zsh",
                                                     "compdef() { }\n_describe() { print -rl -- ${(P)2} }\n"
                                                     "_arguments() { print -rl -- \"$@\" }\n. " +
                                                         script + "\nwords=(ticketing-user " + name +
                                                         " '')\nCURRENT=$#words\n_ticketing-user\n")));
  }

  support::TemporaryDirectory folder_;
};

TEST_F(Completion, BashProposesCommands) {
  EXPECT_THAT(Bash({""}), ElementsAre("delete", "validate", "delete-list", "health", "completion", "manual", "--help",
                                      "--version"));
  EXPECT_THAT(Bash({"delete-"}), ElementsAre("delete-list"));
}

TEST_F(Completion, BashProposesTheOptionsOfTheCommand) {
  EXPECT_THAT(Bash({"delete-list", "--re"}), ElementsAre("--results", "--repeat-unknown"));
  EXPECT_THAT(Bash({"delete", "5", "--re"}), ElementsAre("--remote-query", "--request-id"));
  EXPECT_THAT(Bash({"manual", "--"}), ElementsAre("--help"));
}

TEST_F(Completion, BashProposesValues) {
  EXPECT_THAT(Bash({"delete", "--format", ""}), ElementsAre("unified", "raw", "normalized", "stream", "debug"));
  EXPECT_THAT(Bash({"delete", "--format", "=", "r"}), ElementsAre("raw"));
  EXPECT_THAT(Bash({"delete", "--format", "="}), Contains("debug"));
  EXPECT_THAT(Bash({"delete", "--skip-api-call", "=", ""}), ElementsAre("true", "false"));
  EXPECT_THAT(Bash({"delete", "--skip-api-call", "--al"}), ElementsAre("--allow-missing"));
  EXPECT_THAT(Bash({"completion", ""}), ElementsAre("bash", "zsh"));
  EXPECT_THAT(Bash({"delete", "--account", ""}), IsEmpty());
}

TEST_F(Completion, BashProposesFiles) {
  const std::string list = folder_.WriteFile("list of users.csv", "id\n");
  const std::string begin = folder_.path() / "list";
  EXPECT_THAT(Bash({"delete-list", begin}), ElementsAre(list));
  EXPECT_THAT(Bash({"delete-list", "--results", begin}), ElementsAre(list));
  EXPECT_THAT(Bash({"delete", begin}), IsEmpty());
}

TEST_F(Completion, ZshKnowsCommandsAndOptions) {
  const auto commands = Lines(Shell("zsh -f " + folder_.WriteFile("x", "true")));
  ASSERT_THAT(commands, IsEmpty()) << "zsh is needed: deploy/packages test";
  EXPECT_THAT(Zsh(""), Contains("--help[Print this help message and exit]").Times(0));
  EXPECT_THAT(
      Zsh("delete-list"),
      AllOf(Contains("1:FILE:_files"), Contains(HasSubstr("--yes[Don't ask before the users are deleted]")),
            Contains("--concurrency=[How many calls may be under way at a time, 1 to 100; 8 when absent]:NUMBER: ")));
  EXPECT_THAT(Zsh("delete"),
              AllOf(Contains("--format=[How Truto answers]:unified|raw|normalized|stream|debug:(unified "
                             "raw normalized stream debug)"),
                    Contains("--skip-api-call=-[\\[=true|false\\] Ask Truto not to call the "
                             "provider]::value:(true false)"),
                    Contains("*--collection=[A collection, such as a project; repeatable. Pivotal Tracker "
                             "requires one]:ID: ")));
  EXPECT_THAT(Zsh("completion"), Contains(HasSubstr(":(bash zsh)")));
}

TEST(ManualPage, HasEveryCommandOptionVariableAndExitCode) {
  const auto table = MakeCommandTable();
  const support::TemporaryDirectory folder;
  const std::string page = folder.WriteFile("page", ManualPage(*table));
  EXPECT_EQ(Shell("groff -man -Tutf8 -ww -z " + page), "");
  // Without emphasis, and on lines that are long enough for each item.
  const std::string text = Shell("groff -man -Tascii -P-cbou -rLL=1000n " + page);
  EXPECT_THAT(text, HasSubstr("ticketing-user - delete users from ticketing systems"));
  for (const CLI::App* const command : table->get_subcommands([](const CLI::App*) { return true; })) {
    EXPECT_THAT(text, HasSubstr("ticketing-user " + command->get_name()));
    for (const CLI::Option* const option : OptionsOf(*command)) {
      EXPECT_THAT(text, HasSubstr(option->get_description())) << option->get_name();
    }
  }
  for (const auto& variable : EnvironmentVariables()) EXPECT_THAT(text, HasSubstr(variable.text));
  for (const auto& code : ExitCodes()) EXPECT_THAT(text, HasSubstr(code.text));
  for (const auto& note : ListNotes()) EXPECT_THAT(text, HasSubstr(note));
}

}  // namespace
}  // namespace ticketing::cli
