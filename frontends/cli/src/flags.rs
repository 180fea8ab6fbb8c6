//! The reference of all flags, as a page.

use std::fmt::Write;

use clap::Arg;

use crate::args;
use crate::layers::{is_setting, variable};

/// Every flag with its variable, default and meaning, as Markdown; one table per heading of
/// the help.
#[must_use]
pub fn reference() -> String {
    let command = args::command();
    let settings: Vec<&Arg> = command.get_arguments().filter(|arg| is_setting(arg)).collect();
    let mut page = INTRODUCTION.to_owned();
    let mut heading = None;
    for arg in settings {
        if heading != arg.get_help_heading() {
            heading = arg.get_help_heading();
            page += &table_head(heading.unwrap_or("Options"));
        }
        page += &row(arg);
    }
    page
}

const INTRODUCTION: &str = "\
# Flags of `ha`

`ha [flags] [DATABASE]`

`DATABASE` is a path or a `file:` URI, by default `file:ha.db?_journal=WAL&_busy_timeout=5000`;
with `--memory` it is the file to load.

Every flag can also be set by an environment variable and in the file that `--config` names,
there without the dashes. A flag wins over the environment, the environment over the file, the
file over the default. Flags without a placeholder are switches: `--memory` is
`--memory=true`. Other users of the machine can see flags: set secrets by variable or file.

Durations are written `250ms`, `5s`, `1h30m`; sizes `4096`, `64k`, `8MiB`.
";

fn table_head(heading: &str) -> String {
    format!("\n## {heading}\n\n| flag | variable | default | meaning |\n|---|---|---|---|\n")
}

fn row(arg: &Arg) -> String {
    let (meaning, noted) = meaning(arg);
    let default = noted.or_else(|| default(arg)).unwrap_or_default();
    let long = arg.get_long().unwrap_or_default();
    format!("| {} | `{}` | {default} | {meaning} |\n", flag(arg), variable(long))
}

fn flag(arg: &Arg) -> String {
    let mut flag = String::from("`");
    if let Some(short) = arg.get_short() {
        let _ = write!(flag, "-{short}, ");
    }
    flag += "--";
    flag += arg.get_long().unwrap_or_default();
    match arg.get_value_names() {
        Some([name, ..]) if name != "BOOL" => flag + " " + name + "`",
        Some(_) | None => flag + "`",
    }
}

/// The help text, and the default that it ends with if that is no fixed value.
fn meaning(arg: &Arg) -> (String, Option<String>) {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let help = help.replace('|', "\\|") + &choices(arg);
    match help.split_once(" [default: ") {
        Some((meaning, default)) => {
            let (default, rest) = default.split_once(']').unwrap_or((default, ""));
            (format!("{meaning}{rest}"), Some(default.to_owned()))
        }
        None => (help, None),
    }
}

fn choices(arg: &Arg) -> String {
    let values = arg.get_possible_values();
    if values.is_empty() || arg.is_hide_possible_values_set() {
        return String::new();
    }
    let describe = |value: &clap::builder::PossibleValue| {
        let help = value.get_help().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("`{}`{help}", value.get_name())
    };
    let described: Vec<String> = values.iter().map(describe).collect();
    format!(": {}", described.join(", "))
}

fn default(arg: &Arg) -> Option<String> {
    let value = arg.get_default_values().first()?.to_str()?;
    let is_shown = !value.is_empty() && !arg.is_hide_default_value_set();
    is_shown.then(|| format!("`{value}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_what_the_flags_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/frontends/cli/FLAGS.md");
        if std::env::var_os("UPDATE_FLAGS").is_some() {
            std::fs::write(path, reference()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(page == reference(), "FLAGS.md is stale: UPDATE_FLAGS=1 cargo test -p ha --lib");
    }

    #[test]
    fn every_flag_has_a_row_with_a_meaning() {
        let page = reference();
        for arg in args::command().get_arguments().filter(|arg| is_setting(arg)) {
            let start = format!("| {} |", flag(arg));
            let row = page.lines().find(|line| line.starts_with(&start)).unwrap_or_default();
            assert!(row.matches(" | ").count() == 3 && !row.ends_with("|  |"), "{start} {row}");
        }
    }
}
