#include "cli/terminal_text.h"

#include <gtest/gtest.h>

#include <string>

namespace ticketing::cli {
namespace {

TEST(Escaped, LeavesTextAsItIs) {
  EXPECT_EQ(Escaped("Zoë — 日本 \U0001F600 C:\\x \"q\""), "Zoë — 日本 \U0001F600 C:\\x \"q\"");
}

TEST(Escaped, NeutralisesWhatSteersATerminal) {
  EXPECT_EQ(Escaped("a\x1b[2Jb"), "a\\x1b[2Jb");
  EXPECT_EQ(Escaped("a\nb\rc\td"), "a\\nb\\rc\\td");
  EXPECT_EQ(Escaped(std::string("\0\x7f", 2)), "\\x00\\x7f");
  EXPECT_EQ(Escaped("\u009b2J"), "\\x9b2J");                 // CSI as one character
  EXPECT_EQ(Escaped("a\u202eb\u2066"), "a\\u202eb\\u2066");  // right-to-left override, isolate
  EXPECT_EQ(Escaped("a\u2028b"), "a\\u2028b");
}

TEST(Escaped, ShowsBytesThatAreNotUtf8) {
  EXPECT_EQ(Escaped("\x9b"
                    "2J"),
            "\\x9b2J");
  EXPECT_EQ(Escaped("\xc3"), "\\xc3");
  EXPECT_EQ(Escaped("\xc0\xaf"), "\\xc0\\xaf");                    // overlong
  EXPECT_EQ(Escaped("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // a surrogate
  EXPECT_EQ(Escaped("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // beyond U+10FFFF
  EXPECT_EQ(Escaped("\xff\xfe"), "\\xff\\xfe");
}

TEST(Utf8, IsRecognised) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("Zoë 日本 \U0001F600"));
  for (const char* text : {"\x80", "\xc3", "\xc0\xaf", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                           "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "a\xe2\x82"}) {
    EXPECT_FALSE(IsUtf8(text)) << Escaped(text);
  }
}

TEST(Shortened, CutsBetweenCharactersAndSaysSo) {
  EXPECT_EQ(Shortened(std::string(1024, 'x')), std::string(1024, 'x'));
  EXPECT_EQ(Shortened(std::string(1025, 'x')), std::string(1024, 'x') + "… (1025 bytes; --json shows all)");
  EXPECT_EQ(Shortened(std::string(1023, 'x') + "ää"), std::string(1023, 'x') + "ä… (1027 bytes; --json shows all)");
}

TEST(TextPage, HasColoursOnlyWhenAskedFor) {
  TextPage plain(false);
  plain.Headline(Colour::kRed, "no\x1b[0m");
  EXPECT_EQ(plain.text(), "no\\x1b[0m\n");
  TextPage coloured(true);
  coloured.Headline(Colour::kRed, "no");
  EXPECT_EQ(coloured.text(), "\x1b[1;31mno\x1b[0m\n");
}

TEST(TextPage, EscapesNamesAndValues) {
  TextPage page(false);
  page.Section("a\nb");
  page.Field("na\nme", "va\nlue");
  page.Field("empty", "");
  EXPECT_EQ(page.text(),
            "a\\nb\n"
            "  na\\nme             va\\nlue\n"
            "  empty              \"\"\n");
}

}  // namespace
}  // namespace ticketing::cli
