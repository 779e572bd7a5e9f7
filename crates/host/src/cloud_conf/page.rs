//! The reference page of `cloud.conf`, written from the declarations.

use std::fmt::Write as _;

use super::{Key, Naming, Program, TABLES, Table};

const HEAD: &str = "\
# cloud.conf

The file that `--cloud-config` names, in the format that the Go programs read; one file serves both, and all programs.
This page is written by the program from its own declarations, see [how to check a file](../how-to/check-cloud-conf.md).

## Format

- `[Section]` or `[Section \"name\"]`, then lines `key = value`. Names of sections and keys ignore case, `\"name\"` does not. Sections of one name add up.
- `#` and `;` begin a comment anywhere outside double quotes, also in the middle of a word: put secrets into double quotes.
- In double quotes, `\\\\`, `\\\"`, `\\n` and `\\t` are escapes. Outside, a backslash stands at the end of a line that goes on, or before `\"`.
- UTF-8 without a byte order mark; lines may end as on Windows.
- A key that is given again counts as given last; one that is *repeatable* adds to its list, and alone, without `=`, empties it. A boolean alone is true.
- boolean: `true`, `yes`, `on`, `1`, `false`, `no`, `off`, `0`. number: decimal, or hexadecimal with `0x`. duration: with a unit, `5s`, `1m30s`.

What is malformed or not of its type ends a program at its start, with file, line and column, where the Go program of the same name would end as well.
Everything else is a warning with its place: unknown keys and sections with the nearest known name, values that have no effect, faults in sections that another program reads.
Values are never printed.
";

/// The page.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for table in TABLES {
        // Writing to a string cannot fail.
        let _ = write!(page, "\n{}", section(table));
    }
    page
}

fn section(table: &Table) -> String {
    let title = match table.naming {
        Naming::Plain | Naming::Optional => format!("[{}]", table.section),
        Naming::Named => format!("[{} \"name\"]", table.section),
    };
    let readers: Vec<String> = table.readers.iter().map(|program| format!("`{program}`")).collect();
    let mut text = format!("## {title}\n\nRead by {}.\n", readers.join(", "));
    for line in table.doc.lines() {
        let _ = writeln!(text, "{}", line.trim());
    }
    if table.naming == Naming::Optional {
        let one = Program::CloudController;
        let _ = writeln!(
            text,
            "`[Global \"name\"]` is one of several clouds; `{one}` looks at the one without a name only."
        );
    }
    text.push_str("\n| key | value | default | meaning |\n|---|---|---|---|\n");
    for key in (table.keys)() {
        text.push_str(&row(&key));
    }
    text
}

fn row(key: &Key) -> String {
    let Key { name, kind, default, doc, later } = key;
    // Settled at run time where it reads like words.
    let default = match default.as_str() {
        "" => String::new(),
        words
            if words.contains(' ')
                || ["required", "found", "any", "searched", "system's"].contains(&words) =>
        {
            words.to_owned()
        }
        value => format!("`{value}`"),
    };
    let later = later.map_or_else(String::new, |later| format!(". **Not in this version**: {later}"));
    format!("| `{name}` | {kind} | {default} | {doc}{later} |\n")
}
