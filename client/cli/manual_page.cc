#include "cli/manual_page.h"

#include "cli/command_table.h"
#include "cli/completion.h"

namespace ticketing::cli {
namespace {

// A line of text that troff takes as it is.
std::string Roff(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\\') {
      escaped += "\\e";
    } else if (c == '-') {
      escaped += "\\-";
    } else if (c == '\'') {
      escaped += "\\(aq";
    } else {
      escaped += c;
    }
  }
  return escaped.starts_with('.') ? "\\&" + escaped : escaped;
}

std::string Item(const std::string& term, const std::string& text) {
  return ".TP\n" + term + "\n" + Roff(text) + "\n";
}

std::string Bold(const std::string& text) {
  return "\\fB" + Roff(text) + "\\fR";
}

std::string Italic(const std::string& text) {
  return "\\fI" + Roff(text) + "\\fR";
}

std::string OptionItem(const CLI::App& command, const CLI::Option& option) {
  std::string term = option.get_positional() ? Italic(option.get_name()) : Bold("--" + option.get_lnames().front());
  if (WhatItTakes(command, option) == Takes::kValue && !option.get_type_name().empty()) {
    term += " " + Italic(option.get_type_name());
  }
  return Item(term, option.get_description() + ".");
}

std::string Synopsis(const CLI::App& command) {
  std::string text = ".B ticketing\\-user " + Roff(command.get_name()) + "\n";
  bool has_options = false;
  std::string positionals;
  for (const CLI::Option* const option : OptionsOf(command)) {
    has_options = has_options || !option->get_positional();
    if (option->get_positional()) positionals += " " + Italic(option->get_name());
  }
  if (has_options) text += "[" + Italic("option") + "...]" + positionals + "\n";
  if (!has_options && !positionals.empty()) text += positionals.substr(1) + "\n";
  return text + ".br\n";
}

std::string CommandSection(const CLI::App& command) {
  std::string text = ".SS " + Roff(command.get_name()) + "\n" + Roff(command.get_description()) + "\n";
  if (command.get_name() == "delete-list") {
    for (const std::string& note : ListNotes()) text += ".PP\n" + Roff(note) + "\n";
  }
  std::string group;
  for (const CLI::Option* const option : OptionsOf(command)) {
    // The group of what has none is CLI11's own "Options".
    if (!option->get_positional() && option->get_group() != group && option->get_group() != "Options") {
      group = option->get_group();
      text += ".PP\n" + Bold(group + ":") + "\n";
    }
    text += OptionItem(command, *option);
  }
  return text;
}

}  // namespace

std::string ManualPage(const CLI::App& app) {
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  std::string text = ".TH TICKETING\\-USER 1 \"\" \"ticketing\\-user " TICKETING_VERSION "\" \"User Commands\"\n";
  text += ".SH NAME\nticketing\\-user \\- delete users from ticketing systems\n.SH SYNOPSIS\n";
  for (const CLI::App* const command : commands) text += Synopsis(*command);
  text += ".SH DESCRIPTION\n" + Roff(app.get_description()) + "\n";
  for (const std::string& note : Notes()) text += ".PP\n" + Roff(note) + "\n";
  text += ".SH COMMANDS\n";
  for (const CLI::App* const command : commands) text += CommandSection(*command);
  text += ".SH ENVIRONMENT\n";
  for (const Explanation& variable : EnvironmentVariables()) text += Item(Bold(variable.term), variable.text + ".");
  text += ".SH EXIT STATUS\n";
  for (const Explanation& code : ExitCodes()) text += Item(Bold(code.term), code.text + ".");
  return text;
}

}  // namespace ticketing::cli
