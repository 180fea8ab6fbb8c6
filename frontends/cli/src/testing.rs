use std::ffi::OsString;
use std::time::{Duration, SystemTime};

use crate::config::{Config, Surroundings};
use crate::{Stop, configure};

/// [`configure`] with these arguments and variables, in a fixed place and time.
pub(crate) fn configured(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Config, Stop> {
    let arguments: Vec<OsString> =
        std::iter::once("ha").chain(arguments.iter().copied()).map(OsString::from).collect();
    let environment = |name: &str| {
        let variable = variables.iter().find(|(variable, _)| *variable == name)?;
        Some(OsString::from(variable.1))
    };
    let surroundings = Surroundings {
        temp_dir: "/tmp".into(),
        now: SystemTime::UNIX_EPOCH + Duration::from_nanos(7),
    };
    configure(&arguments, &environment, &surroundings)
}

pub(crate) fn config(arguments: &[&str]) -> Config {
    configured(arguments, &[]).unwrap()
}

/// The one line that refuses these arguments.
pub(crate) fn refusal(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    match configured(arguments, variables) {
        Err(Stop::Usage(line)) => {
            assert!(!line.contains('\n') && line.len() < 300, "{line}");
            line
        }
        other => panic!("{arguments:?} {variables:?} should be refused: {other:?}"),
    }
}
