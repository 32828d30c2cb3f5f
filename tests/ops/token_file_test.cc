#include "ops/token_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/temporary_directory.h"

namespace ticketing::ops {
namespace {

using std::chrono::milliseconds;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class TokenFileTest : public testing::Test, public CredentialListener {
 public:
  void OnLoaded(std::string_view /*name*/, Expiry /*expiry*/) override { ++loaded_; }
  void OnPassedOver(std::string_view /*name*/, const std::string& problem) override { problems_.push_back(problem); }

 protected:
  std::unique_ptr<TokenFile> Open(const std::string& path) {
    auto opened = TokenFile::Open(path, *this, [this] { return now_; });
    EXPECT_TRUE(opened.ok());
    return opened.ok() ? std::move(opened).value() : nullptr;
  }

  std::string ErrorOf(const std::string& path) {
    const auto opened = TokenFile::Open(path, *this);
    return opened.ok() ? "" : opened.error();
  }

  support::TemporaryDirectory folder_;
  std::chrono::steady_clock::time_point now_;
  int loaded_ = 0;
  std::vector<std::string> problems_;
};

TEST_F(TokenFileTest, TrimsTheWhiteSpaceAtTheEnd) {
  EXPECT_EQ(Open(folder_.WriteFile("token", "abc.def \r\n\n"))->Current(), "abc.def");
}

TEST_F(TokenFileTest, ReadsAChangedFileAgainWithinASecond) {
  const auto token = Open(folder_.WriteFile("token", "old"));
  folder_.WriteFile("token", "new");
  now_ += milliseconds{999};
  EXPECT_EQ(token->Current(), "old");
  now_ += milliseconds{1};
  EXPECT_EQ(token->Current(), "new");
  EXPECT_THAT(problems_, IsEmpty());
}

TEST_F(TokenFileTest, LooksAtMostOnceASecond) {
  const auto token = Open(folder_.WriteFile("token", "one"));
  now_ += milliseconds{1000};
  EXPECT_EQ(token->Current(), "one");
  folder_.WriteFile("token", "two");
  now_ += milliseconds{999};
  EXPECT_EQ(token->Current(), "one");
  now_ += milliseconds{1};
  EXPECT_EQ(token->Current(), "two");
}

TEST_F(TokenFileTest, ReloadLooksAtOnceAndTellsWhetherTheTokenHasChanged) {
  const auto token = Open(folder_.WriteFile("token", "old"));
  EXPECT_FALSE(token->Reload());
  folder_.WriteFile("token", "new\n");
  EXPECT_EQ(loaded_, 1);
  EXPECT_TRUE(token->Reload());
  EXPECT_EQ(token->Current(), "new");
  EXPECT_FALSE(token->Reload());
  EXPECT_EQ(loaded_, 2);
}

// Kubernetes mounts token -> ..data/token, ..data -> a folder, and replaces the link ..data.
TEST_F(TokenFileTest, FollowsASwappedDirectoryLink) {
  for (const char* version : {"v1", "v2"}) {
    std::filesystem::create_directory(folder_.path() / version);
    folder_.WriteFile(std::string(version) + "/token", std::string("token-") + version);
  }
  std::filesystem::create_directory_symlink("v1", folder_.path() / "..data");
  std::filesystem::create_symlink("..data/token", folder_.path() / "token");
  const auto token = Open((folder_.path() / "token").string());
  EXPECT_EQ(token->Current(), "token-v1");
  std::filesystem::create_directory_symlink("v2", folder_.path() / "..data_new");
  std::filesystem::rename(folder_.path() / "..data_new", folder_.path() / "..data");
  now_ += milliseconds{1000};
  EXPECT_EQ(token->Current(), "token-v2");
}

TEST_F(TokenFileTest, KeepsTheOldTokenWhenTheNewOneIsUnusable) {
  for (const std::string& content :
       {std::string(), std::string("\n"), std::string("tok\0\0\0", 6), std::string("to ken"), std::string("to\nken"),
        std::string(" token"), std::string("to\x1Bken"), std::string("t\xC3\xB6ken"), std::string(16385, 'x')}) {
    problems_.clear();
    const auto token = Open(folder_.WriteFile("token", "old"));
    folder_.WriteFile("token", content);
    EXPECT_FALSE(token->Reload());
    EXPECT_EQ(token->Current(), "old");
    EXPECT_EQ(problems_.size(), 1U) << content;
  }
}

TEST_F(TokenFileTest, KeepsTheOldTokenWhenTheFileIsGone) {
  const std::string path = folder_.WriteFile("token", "old");
  const auto token = Open(path);
  std::filesystem::remove(path);
  now_ += milliseconds{1000};
  EXPECT_EQ(token->Current(), "old");
  EXPECT_THAT(problems_, ElementsAre(AllOf(HasSubstr(path), HasSubstr("No such file"))));
}

TEST_F(TokenFileTest, TellsOfAProblemOnceAndOfTheNextOneAgain) {
  const auto token = Open(folder_.WriteFile("token", "old"));
  folder_.WriteFile("token", "");
  for (int i = 0; i < 3; ++i) token->Reload();
  EXPECT_EQ(problems_.size(), 1U);
  folder_.WriteFile("token", "two words");
  for (int i = 0; i < 3; ++i) token->Reload();
  EXPECT_EQ(problems_.size(), 2U);
  folder_.WriteFile("token", "old");
  EXPECT_FALSE(token->Reload());
  folder_.WriteFile("token", "two words");
  token->Reload();
  EXPECT_EQ(problems_.size(), 3U);
}

TEST_F(TokenFileTest, NeverTellsWhatTheFileHolds) {
  const auto token = Open(folder_.WriteFile("token", "old-secret"));
  const std::string path = folder_.WriteFile("token", "new secret");
  token->Reload();
  EXPECT_THAT(problems_, ElementsAre(Not(HasSubstr("secret"))));
  EXPECT_THAT(ErrorOf(path), Not(HasSubstr("secret")));
}

TEST_F(TokenFileTest, AFirstReadThatFailsNamesTheFileAndTheRule) {
  const std::string missing = (folder_.path() / "missing").string();
  EXPECT_THAT(ErrorOf(missing), AllOf(HasSubstr(missing), HasSubstr("No such file")));
  const std::string empty = folder_.WriteFile("empty", " \n");
  EXPECT_THAT(ErrorOf(empty), AllOf(HasSubstr(empty), HasSubstr("is empty")));
  EXPECT_THAT(ErrorOf(folder_.WriteFile("long", std::string(16385, 'x'))), HasSubstr("16 KiB"));
  EXPECT_EQ(ErrorOf(folder_.WriteFile("longest", std::string(16384, 'x'))), "");
}

TEST_F(TokenFileTest, RefusesWhatIsNoRegularFileWithoutWaitingForIt) {
  EXPECT_THAT(ErrorOf(folder_.path().string()), HasSubstr("not a regular file"));
  const std::string pipe = (folder_.path() / "pipe").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(ErrorOf(pipe), HasSubstr("not a regular file"));
}

TEST_F(TokenFileTest, AFixedTokenNeverChanges) {
  auto token = TokenFile::Fixed("abc\n", *this);
  ASSERT_TRUE(token.ok());
  EXPECT_EQ(token.value()->Current(), "abc");
  EXPECT_FALSE(token.value()->Reload());
}

TEST_F(TokenFileTest, AFixedTokenFollowsTheSameRules) {
  for (const char* text : {"", "\n", "two words", "two\r\nlines", "t\xC3\xB6ken"}) {
    EXPECT_FALSE(TokenFile::Fixed(text, *this).ok()) << text;
  }
}

}  // namespace
}  // namespace ticketing::ops
