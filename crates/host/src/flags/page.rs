//! The reference page of a program's flags, written from their declarations.

use std::fmt::Write as _;

use clap::{Arg, Command};

const HABITS: &str = "\
This page is written by the program from its own declarations.

- `--flag=value` or `--flag value`; a boolean is `--flag` or `--flag=false`, never `--flag false`.
- Underscores and dashes are equal in names. A flag given again counts as given last; one of the kind *list* or *map* adds up.
- A *list* is comma-separated, with the quotes of CSV: `--flag=a,\\\"b,c\\\"`. A *map* is a list of `key=value`.
- A *duration* has a unit: `5s`, `1m30s`. A boolean is `true`, `t`, `1`, `false`, `f` or `0`.
- There are no positional arguments.
";

/// The page.
pub fn page(command: &Command) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut page = format!("# Flags of {}\n\n{about}.\n{HABITS}", command.get_name());
    let args: Vec<&Arg> = command.get_arguments().filter(|arg| arg.get_long() != Some("help")).collect();
    let mut headings: Vec<&str> = Vec::new();
    for arg in &args {
        let heading = heading(arg);
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for title in headings {
        // Writing to a string cannot fail.
        let _ = write!(page, "\n## {title}\n\n| flag | value | default | meaning |\n|---|---|---|---|\n");
        for arg in args.iter().filter(|arg| heading(arg) == title) {
            page.push_str(&row(arg));
        }
    }
    page
}

fn heading(arg: &Arg) -> &str {
    arg.get_help_heading().unwrap_or("Others")
}

fn row(arg: &Arg) -> String {
    let short = arg.get_short().map(|short| format!(", `-{short}`")).unwrap_or_default();
    let value = arg
        .get_value_names()
        .into_iter()
        .flatten()
        .map(|name| name.to_lowercase())
        .collect::<Vec<_>>()
        .join(" ");
    let defaults: Vec<&str> = arg.get_default_values().iter().filter_map(|value| value.to_str()).collect();
    let default = match defaults.join(",") {
        empty if empty.is_empty() => empty,
        default => format!("`{default}`"),
    };
    let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    format!("| `--{}`{short} | {value} | {default} | {help} |\n", arg.get_long().unwrap_or_default())
}
