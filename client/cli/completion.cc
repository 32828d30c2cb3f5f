#include "cli/completion.h"

#include <algorithm>

namespace ticketing::cli {
namespace {

// "unified|raw" as words; empty for a type that is no choice.
std::string Choices(const CLI::Option& option) {
  std::string choices = option.get_type_name();
  if (choices.find('|') == std::string::npos) return {};
  std::ranges::replace(choices, '|', ' ');
  return choices;
}

bool IsFile(const CLI::Option& option) {
  return option.get_type_name() == "FILE" || option.get_name() == "FILE";
}

const CLI::Option* Positional(const CLI::App& command) {
  const auto options = OptionsOf(command);
  const auto found = std::ranges::find_if(options, [](const auto* option) { return option->get_positional(); });
  return found == options.end() ? nullptr : *found;
}

// ---------------------------------------------------------------------------------------------------------------------
// bash
// ---------------------------------------------------------------------------------------------------------------------

// The branch of a `case` that proposes what `option` may be.
std::string BashProposal(const CLI::Option& option) {
  if (const std::string choices = Choices(option); !choices.empty()) {
    return "mapfile -t COMPREPLY < <(compgen -W '" + choices + "' -- \"$current\")";
  }
  if (IsFile(option)) return "mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); compopt -o filenames 2>/dev/null";
  return ":";
}

// ---------------------------------------------------------------------------------------------------------------------
// zsh
// ---------------------------------------------------------------------------------------------------------------------

// In single quotes, and without anything that _arguments or _describe would take for its own.
std::string ZshText(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') escaped += '\\';
    if (c == '\'') {
      escaped += "'\\''";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string ZshAction(const CLI::Option& option) {
  const std::string choices = Choices(option);
  return !choices.empty() ? "(" + choices + ")" : IsFile(option) ? "_files" : " ";
}

std::string ZshSpecification(const CLI::App& command, const CLI::Option& option) {
  if (option.get_positional()) return "'1:" + ZshText(option.get_name()) + ":" + ZshAction(option) + "'";
  const bool repeatable = option.get_multi_option_policy() == CLI::MultiOptionPolicy::TakeAll;
  const std::string begin = std::string(repeatable ? "'*" : "'") + "--" + option.get_lnames().front();
  const std::string description = "[" + ZshText(option.get_description()) + "]";
  switch (WhatItTakes(command, option)) {
    case Takes::kNothing: return begin + description + "'";
    case Takes::kMaybeBoolean: return begin + "=-" + description + "::value:(true false)'";
    case Takes::kValue: break;
  }
  return begin + "=" + description + ":" + ZshText(option.get_type_name()) + ":" + ZshAction(option) + "'";
}

}  // namespace

Takes WhatItTakes(const CLI::App& command, const CLI::Option& option) {
  if (option.get_items_expected_max() > 0) return Takes::kValue;
  const bool own = &option != command.get_help_ptr() && &option != command.get_version_ptr();
  return own && !option.get_disable_flag_override() ? Takes::kMaybeBoolean : Takes::kNothing;
}

std::vector<const CLI::Option*> OptionsOf(const CLI::App& command) {
  std::vector<const CLI::Option*> options = command.get_options();
  std::erase(options, command.get_help_ptr());
  return options;
}

std::string BashCompletion(const CLI::App& app) {
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  std::string names;
  std::string values;
  std::string options;
  std::string positionals;
  for (const CLI::App* const command : commands) {
    const std::string& name = command->get_name();
    names += name + " ";
    options += "    " + name + ") options='--help";
    for (const CLI::Option* const option : OptionsOf(*command)) {
      if (option->get_positional()) continue;
      const std::string option_name = "--" + option->get_lnames().front();
      options += " " + option_name;
      const Takes takes = WhatItTakes(*command, *option);
      const std::string path = std::string(name).append("/").append(option_name);
      if (takes == Takes::kValue) {
        values.append("    ").append(path).append(" | ").append(path).append("=) ").append(BashProposal(*option));
        values += "; return ;;\n";
      } else if (takes == Takes::kMaybeBoolean) {
        values.append("    ").append(path);
        values += "=) mapfile -t COMPREPLY < <(compgen -W 'true false' -- \"$current\"); return ;;\n";
      }
    }
    options += "' ;;\n";
    if (const CLI::Option* const positional = Positional(*command)) {
      positionals += "    " + name + ") " + BashProposal(*positional) + " ;;\n";
    }
  }
  return "# Completion of ticketing-user for bash, made by: ticketing-user completion bash\n"
         "_ticketing-user() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}\n"
         "  local equals='' options=''\n"
         "  COMPREPLY=()\n"
         "  if ((COMP_CWORD == 1)); then\n"
         "    mapfile -t COMPREPLY < <(compgen -W '" +
         names +
         "--help --version' -- \"$current\")\n"
         "    return\n"
         "  fi\n"
         "  # bash makes a word of its own of an equals sign.\n"
         "  if [[ $current == = ]]; then current='' equals='='; fi\n"
         "  if [[ $previous == = ]]; then previous=${COMP_WORDS[COMP_CWORD - 2]} equals='='; fi\n"
         "  case $command/$previous$equals in\n" +
         values +
         "  esac\n"
         "  case $command in\n" +
         options +
         "  esac\n"
         "  if [[ $current == -* ]]; then\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$current\")\n"
         "    return\n"
         "  fi\n"
         "  case $command in\n" +
         positionals +
         "  esac\n"
         "}\n"
         "complete -F _ticketing-user ticketing-user\n";
}

std::string ZshCompletion(const CLI::App& app) {
  std::string names;
  std::string branches;
  for (const CLI::App* const command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names += "    '" + ZshText(command->get_name()) + ":" + ZshText(command->get_description()) + "'\n";
    branches += "    " + command->get_name() + ")\n      _arguments '--help[Print this help message and exit]'";
    for (const CLI::Option* const option : OptionsOf(*command)) {
      branches += " \\\n        " + ZshSpecification(*command, *option);
    }
    branches += "\n      ;;\n";
  }
  return "#compdef ticketing-user\n"
         "# Completion of ticketing-user for zsh, made by: ticketing-user completion zsh\n"
         "_ticketing-user() {\n"
         "  local -a commands\n"
         "  commands=(\n" +
         names +
         "  )\n"
         "  if ((CURRENT == 2)); then\n"
         "    _describe command commands\n"
         "    return\n"
         "  fi\n"
         "  shift words\n"
         "  ((CURRENT--))\n"
         "  case $words[1] in\n" +
         branches +
         "  esac\n"
         "}\n"
         "# As a function of fpath the file is the function's body; else it is sourced.\n"
         "if [[ $funcstack[1] == _ticketing-user ]]; then\n"
         "  _ticketing-user \"$@\"\n"
         "else\n"
         "  compdef _ticketing-user ticketing-user\n"
         "fi\n";
}

}  // namespace ticketing::cli
