//! Command lines as Go's pflag reads them, for clap.
//!
//! What users have in their manifests and clap would refuse or read otherwise: bare booleans beside `--x=true`, underscores
//! for dashes in names, a flag given twice (the last one counts), lists in CSV with quotes, klog's flags.
//!
//! A boolean flag is declared as
//! `#[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false",
//! value_parser = host::flags::boolean, action = clap::ArgAction::Set)]`.

mod csv;
mod gates;
mod logs;
mod page;
mod serving;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::str::FromStr;
use std::time::Duration;

use clap::{CommandFactory, Parser};

pub use gates::FeatureGates;
pub use logs::LogFlags;
pub use page::page;
pub use serving::{AuthenticationFlags, AuthorizationFlags, ServingFlags};

/// Parses a command line; `args` begins with the program's name.
///
/// # Errors
/// clap's, which also stands for `--help` and `--version`: `print` it, and exit with 0 for these and 1 for the rest.
pub fn parse<T: Parser>(args: impl IntoIterator<Item = OsString>) -> Result<T, clap::Error> {
    let command = T::command().args_override_self(true);
    let matches = command.try_get_matches_from(args.into_iter().map(with_dashes))?;
    T::from_arg_matches(&matches).map_err(|error| error.format(&mut <T as CommandFactory>::command()))
}

/// `--cloud_config=x_y` as `--cloud-config=x_y`.
fn with_dashes(arg: OsString) -> OsString {
    let Some(text) = arg.to_str().and_then(|arg| arg.strip_prefix("--")) else { return arg };
    let (name, value) = text.split_at(text.find('=').unwrap_or(text.len()));
    format!("--{}{value}", name.replace('_', "-")).into()
}

/// Reads a boolean by Go's rules (`strconv.ParseBool`).
///
/// # Errors
/// Any other text.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

/// Reads a duration in Go's notation.
///
/// # Errors
/// Any other text.
pub fn duration(text: &str) -> Result<Duration, String> {
    crate::duration::parse(text).map_err(|error| error.to_string())
}

/// One occurrence of a list flag: comma separated, with CSV quotes. Several occurrences add up, see [`joined`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StringSlice(pub Vec<String>);

impl FromStr for StringSlice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        csv::record(text).map(Self)
    }
}

/// The values of all occurrences.
pub fn joined(occurrences: &[StringSlice]) -> Vec<String> {
    occurrences.iter().flat_map(|slice| slice.0.iter().cloned()).collect()
}

/// One occurrence of a map flag: `key=value` pairs, comma separated, with CSV quotes around pairs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StringToString(pub BTreeMap<String, String>);

impl FromStr for StringToString {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // With a single `=` the text is one pair, whatever commas it has.
        let pairs = match text.matches('=').count() {
            0 => return Err("expected key=value".to_owned()),
            1 => vec![text.trim_matches('"').to_owned()],
            _ => csv::record(text)?,
        };
        let pair = |pair: &String| {
            let (key, value) = pair.split_once('=').ok_or("expected key=value")?;
            Ok((key.to_owned(), value.to_owned()))
        };
        pairs.iter().map(pair).collect::<Result<_, String>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use clap::ArgAction;

    use super::*;
    use crate::logging::Format;

    #[derive(Parser, Debug)]
    struct Flags {
        #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true",
              value_parser = boolean, action = ArgAction::Set)]
        leader_elect: bool,
        #[arg(long, value_parser = duration, default_value = "5m")]
        node_status_update_frequency: Duration,
        #[arg(long)]
        cloud_name: Vec<StringSlice>,
        #[arg(long)]
        cluster_name: Option<String>,
        #[command(flatten)]
        logs: LogFlags,
    }

    fn flags(args: &[&str]) -> Result<Flags, clap::Error> {
        parse(["program"].iter().chain(args).map(OsString::from))
    }

    #[test]
    fn booleans_stand_alone_or_with_a_value() {
        for (args, expected) in [
            (&[][..], true),
            (&["--leader-elect"][..], true),
            (&["--leader-elect=false"][..], false),
            (&["--leader_elect=F"][..], false),
            (&["--leader-elect=false", "--leader-elect"][..], true),
        ] {
            assert_eq!(flags(args).unwrap().leader_elect, expected, "{args:?}");
        }
        assert!(flags(&["--leader-elect", "false"]).is_err(), "a positional argument is refused");
        assert!(flags(&["--leader-elect=yes"]).is_err());
    }

    #[test]
    fn verbosity_in_all_its_forms() {
        for (args, expected) in [
            (&[][..], 0),
            (&["-v=4"][..], 4),
            (&["-v4"][..], 4),
            (&["-v", "4"][..], 4),
            (&["--v=2"][..], 2),
            (&["--v", "2"][..], 2),
            (&["--v=1", "-v=6"][..], 6),
            (&["--v=-1"][..], -1),
            (&["--v=99"][..], 99),
        ] {
            assert_eq!(flags(args).unwrap().logs.verbosity(), expected, "{args:?}");
        }
    }

    #[test]
    fn flags_of_klog_are_accepted_and_named() {
        let flags = flags(&[
            "--logtostderr",
            "--stderrthreshold=2",
            "--log-flush-frequency=5s",
            "--logging-format=json",
        ])
        .unwrap();
        assert_eq!(flags.logs.ignored(), ["--log-flush-frequency", "--logtostderr", "--stderrthreshold"]);
        assert_eq!(flags.logs.format(), Format::Json);
    }

    #[test]
    fn lists_add_up_and_keep_go_s_quoting() {
        let flags = flags(&["--cloud-name=\"region-one\"", "--cloud_name=a,\"b,c\""]).unwrap();
        assert_eq!(joined(&flags.cloud_name), ["region-one", "a", "b,c"]);
    }

    #[test]
    fn a_later_value_wins_and_values_keep_underscores() {
        let flags =
            flags(&["--cluster-name=a", "--cluster_name=b_c", "--node-status-update-frequency=1m30s"])
                .unwrap();
        assert_eq!(flags.cluster_name.as_deref(), Some("b_c"));
        assert_eq!(flags.node_status_update_frequency, Duration::from_secs(90));
    }

    #[test]
    fn maps() {
        let map =
            |text: &str| text.parse::<StringToString>().map(|map| map.0.into_iter().collect::<Vec<_>>());
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(map("a=b"), Ok(vec![pair("a", "b")]));
        assert_eq!(map("\"a=b,c\""), Ok(vec![pair("a", "b,c")]));
        assert_eq!(map("a=b,c=d=e"), Ok(vec![pair("a", "b"), pair("c", "d=e")]));
        assert_eq!(map("a=b,\"c=d,e\""), Ok(vec![pair("a", "b"), pair("c", "d,e")]));
        assert!(map("a").is_err() && map("a=b,c,d=e").is_err());
    }
}
