#include "ops/tls_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/temporary_directory.h"
#include "tests/support/test_certificates.h"

namespace ticketing::ops {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class TlsFilesTest : public testing::Test, public CredentialListener {
 public:
  void OnLoaded(std::string_view name, Expiry expiry) override {
    loaded_.emplace_back(name);
    expiry_ = expiry;
  }
  void OnPassedOver(std::string_view /*name*/, const std::string& problem) override { problems_.push_back(problem); }

 protected:
  TlsFilesTest() {
    Write(first_);
    certificate_file_ = (folder_.path() / "tls.crt").string();
    key_file_ = (folder_.path() / "tls.key").string();
  }

  void Write(const support::CertifiedKey& pair) const {
    folder_.WriteFile("tls.crt", pair.certificate_pem);
    folder_.WriteFile("tls.key", pair.key_pem);
  }

  std::unique_ptr<Credential<core::TlsIdentity>> Open() {
    auto opened = OpenServedCertificate(certificate_file_, key_file_, *this);
    EXPECT_TRUE(opened.ok());
    return opened.ok() ? std::move(opened).value() : nullptr;
  }

  std::string ErrorOfOpening() {
    const auto opened = OpenServedCertificate(certificate_file_, key_file_, *this);
    return opened.ok() ? "" : opened.error();
  }

  support::TemporaryDirectory folder_;
  support::CertificateAuthority authority_{"authority"};
  support::CertifiedKey first_ = authority_.Issue({.common_name = "first"});
  support::CertifiedKey second_ = authority_.Issue({.common_name = "second"});
  std::string certificate_file_;
  std::string key_file_;
  std::vector<std::string> loaded_;
  std::vector<std::string> problems_;
  Expiry expiry_;
};

TEST_F(TlsFilesTest, APairThatBelongsTogetherReplacesTheOneInUse) {
  const auto served = Open();
  EXPECT_EQ(served->Current()->certificate, first_.certificate_pem);
  const auto before = served->Current();
  EXPECT_FALSE(served->Reload());
  EXPECT_EQ(served->Current(), before);
  Write(second_);
  EXPECT_TRUE(served->Reload());
  EXPECT_EQ(served->Current()->certificate, second_.certificate_pem);
  EXPECT_EQ(served->Current()->key, second_.key_pem);
  // Whoever had it keeps it.
  EXPECT_EQ(before->certificate, first_.certificate_pem);
  EXPECT_THAT(loaded_, ElementsAre("served_certificate", "served_certificate"));
  EXPECT_THAT(problems_, IsEmpty());
}

TEST_F(TlsFilesTest, AKeyReplacedBeforeItsCertificateWaitsForIt) {
  const auto served = Open();
  folder_.WriteFile("tls.key", second_.key_pem);
  EXPECT_FALSE(served->Reload());
  EXPECT_EQ(served->Current()->key, first_.key_pem);
  EXPECT_THAT(problems_, ElementsAre(AllOf(HasSubstr(key_file_), HasSubstr("does not belong"))));
  folder_.WriteFile("tls.crt", second_.certificate_pem);
  EXPECT_TRUE(served->Reload());
  EXPECT_EQ(served->Current()->key, second_.key_pem);
}

TEST_F(TlsFilesTest, AHalfWrittenFileKeepsThePairInUseAndIsToldOfOnce) {
  const auto served = Open();
  for (const auto& [name, text] :
       {std::pair{"tls.key", &second_.key_pem}, std::pair{"tls.crt", &second_.certificate_pem}}) {
    for (const std::size_t length : {std::size_t{0}, std::size_t{10}, text->size() / 2, text->size() - 30}) {
      Write(first_);
      served->Reload();
      problems_.clear();
      folder_.WriteFile(name, text->substr(0, length));
      for (int i = 0; i < 3; ++i) EXPECT_FALSE(served->Reload());
      EXPECT_EQ(served->Current()->certificate, first_.certificate_pem);
      EXPECT_THAT(problems_, SizeIs(1)) << name << " " << length;
    }
  }
}

TEST_F(TlsFilesTest, AChainThatBreaksOffInTheNextCertificatesFirstLineIsHalfWritten) {
  const auto served = Open();
  folder_.WriteFile("tls.crt", first_.certificate_pem + second_.certificate_pem.substr(0, 8));
  EXPECT_FALSE(served->Reload());
  EXPECT_THAT(problems_, SizeIs(1));
}

TEST_F(TlsFilesTest, APairThatIsNotValidNowIsPassedOver) {
  const auto served = Open();
  Write(authority_.Issue({.common_name = "old", .not_after = std::chrono::seconds{-60}}));
  EXPECT_FALSE(served->Reload());
  Write(authority_.Issue({.common_name = "young", .not_before = std::chrono::seconds{3600}}));
  EXPECT_FALSE(served->Reload());
  EXPECT_THAT(problems_, ElementsAre(HasSubstr("has expired"), HasSubstr("not valid yet")));
  EXPECT_EQ(served->Current()->certificate, first_.certificate_pem);
}

// OpenSSL parses such a pair, and gRPC, which would go on with the old one, could not serve with it.
TEST_F(TlsFilesTest, APairThatIsTooWeakToBeServedIsPassedOver) {
  const auto served = Open();
  Write(authority_.Issue({.common_name = "weak", .weak = true}));
  EXPECT_FALSE(served->Reload());
  EXPECT_THAT(problems_, ElementsAre(HasSubstr("ee key too small")));
  EXPECT_EQ(served->Current()->certificate, first_.certificate_pem);
}

TEST_F(TlsFilesTest, NeverTellsWhatAKeyHolds) {
  const auto served = Open();
  folder_.WriteFile("tls.key", "secret");
  served->Reload();
  EXPECT_THAT(problems_, ElementsAre(Not(HasSubstr("secret"))));
}

TEST_F(TlsFilesTest, AFirstReadThatFailsNamesTheFilesAndTheRule) {
  folder_.WriteFile("tls.key", second_.key_pem);
  EXPECT_THAT(ErrorOfOpening(),
              AllOf(HasSubstr(certificate_file_), HasSubstr(key_file_), HasSubstr("does not belong")));
  folder_.WriteFile("tls.key", "");
  EXPECT_THAT(ErrorOfOpening(), HasSubstr("no private key"));
  folder_.WriteFile("tls.crt", "");
  EXPECT_THAT(ErrorOfOpening(), HasSubstr("no certificate"));
  std::filesystem::remove(certificate_file_);
  EXPECT_THAT(ErrorOfOpening(), HasSubstr("No such file"));
}

TEST_F(TlsFilesTest, ExpiresWithTheFirstCertificateOfTheChain) {
  Open();
  ASSERT_TRUE(expiry_);
  const auto of_one = *expiry_;
  EXPECT_GT(of_one, std::chrono::system_clock::now());
  const auto expired = authority_.Issue({.common_name = "old", .not_after = std::chrono::seconds{-60}});
  folder_.WriteFile("tls.crt", first_.certificate_pem + expired.certificate_pem);
  Open();
  ASSERT_TRUE(expiry_);
  EXPECT_LT(*expiry_, std::chrono::system_clock::now());
}

TEST_F(TlsFilesTest, AuthoritiesAreSeveralCertificatesOrNone) {
  const support::CertificateAuthority other("other");
  const std::string file = folder_.WriteFile("ca.pem", authority_.certificate_pem());
  auto opened = OpenAuthorities("client_ca", file, *this);
  ASSERT_TRUE(opened.ok());
  const auto authorities = std::move(opened).value();
  const std::string both = authority_.certificate_pem() + other.certificate_pem();
  folder_.WriteFile("ca.pem", both);
  EXPECT_TRUE(authorities->Reload());
  for (const std::string& broken : {std::string(), std::string("nothing"), both.substr(0, both.size() - 40)}) {
    folder_.WriteFile("ca.pem", broken);
    EXPECT_FALSE(authorities->Reload());
    EXPECT_EQ(*authorities->Current(), both);
  }
  EXPECT_THAT(loaded_, ElementsAre("client_ca", "client_ca"));
  EXPECT_FALSE(OpenAuthorities("client_ca", file, *this).ok());
}

}  // namespace
}  // namespace ticketing::ops
