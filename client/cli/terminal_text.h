// Text for people at a terminal.
#pragma once

#include <string>
#include <string_view>

namespace ticketing::cli {

bool IsUtf8(std::string_view text);

// `text` without anything that could steer a terminal or show it as something else: control characters, invalid UTF-8
// and the marks that change the direction of writing become `\n`, `\t`, `\x1b`, `\u202e`.
std::string Escaped(std::string_view text);

// Cut after about 1 KiB with a note of how long it is and where all of it can be had.
std::string Shortened(std::string_view text);

enum class Colour { kGreen, kYellow, kRed };

// Builds lines of names and values. Everything from outside is escaped.
class TextPage {
 public:
  // `coloured`: with escape sequences of its own.
  explicit TextPage(bool coloured) : coloured_(coloured) {}

  void Headline(Colour colour, std::string_view text);
  void Section(std::string_view title);
  // "  name      value"; an empty value is shown as "".
  void Field(std::string_view name, std::string_view value);

  const std::string& text() const { return text_; }

 private:
  bool coloured_;
  std::string text_;
};

}  // namespace ticketing::cli
