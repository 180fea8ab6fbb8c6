use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::values::without_credentials;

/// Why `ha` ends before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The help was asked for; this is it.
    Help(String),
    /// The version was asked for; this is it.
    Version(String),
    /// Something is wrong: one line that says what, and what to do.
    Usage(String),
}

impl Stop {
    /// Says why on standard output, or on standard error for [`Self::Usage`].
    #[must_use]
    pub fn report(&self) -> ExitCode {
        let _ = self.write(&mut io::stdout(), &mut io::stderr());
        self.code().into()
    }

    /// The process's exit code: 2 for [`Self::Usage`], else 0.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Help(_) | Self::Version(_) => 0,
            Self::Usage(_) => 2,
        }
    }

    fn write(&self, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Help(text) | Self::Version(text) => writeln!(out, "{}", text.trim_end()),
            Self::Usage(line) => writeln!(err, "ha: {line}"),
        }
    }
}

/// Writes a result to standard output.
pub(crate) fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Writes one line to standard error.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(io::stderr(), "ha: {line}");
}

impl From<clap::Error> for Stop {
    fn from(error: clap::Error) -> Self {
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                Self::Help(error.render().to_string())
            }
            ErrorKind::DisplayVersion => Self::Version(version()),
            _ => Self::Usage(one_line(&error)),
        }
    }
}

impl From<ha_core::Error> for Stop {
    fn from(error: ha_core::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

/// What `--version` prints; commit and date are those that `HA_COMMIT` and `HA_DATE` held when
/// `ha` was built.
#[must_use]
pub fn version() -> String {
    format!(
        "ha\nVersion: {}\nCommit: {}\nDate: {}",
        env!("CARGO_PKG_VERSION"),
        option_env!("HA_COMMIT").unwrap_or("none"),
        option_env!("HA_DATE").unwrap_or("unknown"),
    )
}

/// What clap says in several paragraphs, without the usage and without the credentials of URLs.
pub(crate) fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let words = first.split_whitespace().skip_while(|&word| word == "error:");
    let shown: Vec<String> = words.map(without_credentials).collect();
    let hint = match error.get(ContextKind::SuggestedArg) {
        Some(ContextValue::String(similar)) => format!("; did you mean {similar}?"),
        _ => "; see ha --help".into(),
    };
    shown.join(" ") + &hint
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(stop: &Stop) -> (String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        stop.write(&mut out, &mut err).unwrap();
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn help_and_version_are_results_and_usage_is_an_error() {
        let (out, err) = written(&Stop::Help("help\n".into()));
        assert_eq!((out.as_str(), err.as_str()), ("help\n", ""));
        let (out, err) = written(&Stop::Usage("wrong".into()));
        assert_eq!((out.as_str(), err.as_str()), ("", "ha: wrong\n"));
        assert_eq!(Stop::Version(version()).code(), 0);
        assert_eq!(Stop::Usage(String::new()).code(), 2);
    }

    #[test]
    fn the_version_has_four_lines() {
        let text = version();
        let starts: Vec<&str> = text.lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(starts, ["ha", "Version:", "Commit:", "Date:"]);
    }
}
