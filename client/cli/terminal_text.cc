#include "cli/terminal_text.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <sstream>

namespace ticketing::cli {
namespace {

constexpr std::size_t kShownBytes = 1024;
constexpr std::size_t kNameWidth = 18;

// The first character of a text that is not empty.
struct Character {
  std::size_t bytes = 1;
  std::uint32_t code_point = 0;
  bool valid = false;
};

// Well-formed UTF-8 by Unicode 15, table 3-7: neither overlong forms nor surrogates.
Character FirstCharacter(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return {.bytes = 1, .code_point = lead, .valid = true};
  const std::size_t bytes = 2U + (lead >= 0xE0 ? 1U : 0U) + (lead >= 0xF0 ? 1U : 0U);
  constexpr std::array<std::uint32_t, 5> kLowest = {0, 0, 0x80, 0x800, 0x10000};
  std::uint32_t code_point = lead & (0xFFU >> (bytes + 1));
  bool valid = lead >= 0xC2 && lead <= 0xF4;
  for (std::size_t i = 1; i < bytes; ++i) {
    valid = valid && (byte(i) & 0xC0U) == 0x80U;
    code_point = code_point << 6U | (byte(i) & 0x3FU);
  }
  valid = valid && code_point >= kLowest.at(bytes) && code_point <= 0x10FFFF &&
          (code_point < 0xD800 || code_point > 0xDFFF);
  if (!valid) return {.bytes = 1, .code_point = lead, .valid = false};
  return {.bytes = bytes, .code_point = code_point, .valid = true};
}

// Control characters (C0, DEL, C1), line and paragraph separators, and the marks of Unicode's bidirectional algorithm.
bool IsUnsafe(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x061C || c == 0x200E || c == 0x200F ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

std::string EscapeSequence(std::uint32_t c) {
  if (c == '\n') return "\\n";
  if (c == '\r') return "\\r";
  if (c == '\t') return "\\t";
  const bool byte = c <= 0xFF;
  std::ostringstream sequence;
  sequence << (byte ? "\\x" : "\\u") << std::hex << std::setfill('0') << std::setw(byte ? 2 : 4) << c;
  return sequence.str();
}

std::string_view ColourSequence(Colour colour) {
  switch (colour) {
    case Colour::kGreen: return "\x1b[1;32m";
    case Colour::kYellow: return "\x1b[1;33m";
    case Colour::kRed: return "\x1b[1;31m";
  }
  return "";
}

}  // namespace

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const Character character = FirstCharacter(text);
    if (!character.valid) return false;
    text.remove_prefix(character.bytes);
  }
  return true;
}

std::string Escaped(std::string_view text) {
  std::string escaped;
  while (!text.empty()) {
    const Character character = FirstCharacter(text);
    if (character.valid && !IsUnsafe(character.code_point)) {
      escaped += text.substr(0, character.bytes);
    } else {
      escaped += EscapeSequence(character.code_point);
    }
    text.remove_prefix(character.bytes);
  }
  return escaped;
}

std::string Shortened(std::string_view text) {
  if (text.size() <= kShownBytes) return std::string(text);
  std::size_t shown = 0;
  while (shown < kShownBytes) shown += FirstCharacter(text.substr(shown)).bytes;
  return std::string(text.substr(0, shown)) + "… (" + std::to_string(text.size()) + " bytes; --json shows all)";
}

void TextPage::Headline(Colour colour, std::string_view text) {
  if (coloured_) text_ += ColourSequence(colour);
  text_ += Escaped(text);
  if (coloured_) text_ += "\x1b[0m";
  text_ += '\n';
}

void TextPage::Section(std::string_view title) {
  text_.append(Escaped(title)).append("\n");
}

void TextPage::Field(std::string_view name, std::string_view value) {
  std::string shown_name = Escaped(name);
  shown_name.resize(std::max(shown_name.size(), kNameWidth), ' ');
  text_.append("  ").append(shown_name).append(" ").append(value.empty() ? "\"\"" : Escaped(value)).append("\n");
}

}  // namespace ticketing::cli
