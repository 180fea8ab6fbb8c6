use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};

use crate::args::{self, Args};
use crate::file;
use crate::stop::{Stop, one_line};

/// Looks up an environment variable.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Reads the arguments (the first is the program's name), the environment and the file that
/// `--config` names. A flag wins over the environment, the environment over the file, the file
/// over the default; an empty variable counts as none. Settings of plugins (`--set`) add up: each
/// of them is overridden alone.
pub fn parse(arguments: &[OsString], environment: Environment<'_>) -> Result<Args, Stop> {
    let command = args::command();
    let given = command.clone().try_get_matches_from(arguments)?;
    let mut lower = Lower::default();
    lower.add_environment(&command, &given, environment)?;
    if let Some(path) = config_file(&given, &lower) {
        lower.add_file(&command, &given, Path::new(&path))?;
    }
    let matches = command
        .try_get_matches_from(lower.before(arguments))
        .map_err(|error| lower.explain(&error))?;
    Args::from_arg_matches(&matches).map_err(Stop::from)
}

/// The variable that sets a flag.
#[must_use]
pub fn variable(long_name: &str) -> String {
    format!("HA_{}", long_name.replace('-', "_").to_uppercase())
}

/// Whether an argument is one that environment and file can set.
pub(crate) fn is_setting(arg: &Arg) -> bool {
    arg.get_long().is_some_and(|long| !["help", "version"].contains(&long))
}

/// What the layers below the command line set; of a flag that is there twice the later wins.
#[derive(Default)]
struct Lower(Vec<Given>);

struct Given {
    /// The flag's name.
    name: String,
    value: OsString,
    /// Where it comes from.
    origin: String,
}

impl Lower {
    fn add_environment(
        &mut self,
        command: &Command,
        given: &ArgMatches,
        environment: Environment<'_>,
    ) -> Result<(), Stop> {
        for arg in command.get_arguments().filter(|arg| is_setting(arg) && !is_given(arg, given)) {
            let name = arg.get_long().unwrap_or_default();
            let origin = variable(name);
            let Some(value) = environment(&origin).filter(|value| !value.is_empty()) else {
                continue;
            };
            let Some(text) = value.to_str() else {
                return Err(Stop::Usage(format!("{origin}: its value is not UTF-8")));
            };
            let values = if repeats(arg) { text.lines().collect() } else { vec![text] };
            let values = values.into_iter().filter(|value| !value.is_empty());
            let set = |value: &str| Given {
                name: name.to_owned(),
                value: value.into(),
                origin: origin.clone(),
            };
            self.0.extend(values.map(set));
        }
        Ok(())
    }

    fn add_file(&mut self, command: &Command, given: &ArgMatches, path: &Path) -> Result<(), Stop> {
        let mut from_file: Vec<Given> = Vec::new();
        for setting in file::read(path).map_err(Stop::Usage)? {
            let arg = command.get_arguments().find(|arg| is_called(arg, &setting.name));
            let known = arg.filter(|arg| is_setting(arg) && setting.name != "config");
            let Some(arg) = known else { return Err(unknown(&setting)) };
            let name = arg.get_long().unwrap_or_default();
            if is_given(arg, given) || (self.get(name).is_some() && !adds_up(arg)) {
                continue;
            }
            if !repeats(arg) {
                from_file.retain(|earlier| earlier.name != name);
            }
            let file::Setting { value, place, .. } = setting;
            from_file.push(Given { name: name.to_owned(), value: value.into(), origin: place });
        }
        self.0.splice(0..0, from_file);
        Ok(())
    }

    fn get(&self, name: &str) -> Option<&Given> {
        self.0.iter().find(|given| given.name == name)
    }

    /// The arguments with the settings of these layers as flags in front.
    fn before(&self, arguments: &[OsString]) -> Vec<OsString> {
        let program = arguments.first().cloned().unwrap_or_else(|| "ha".into());
        let flags = self.0.iter().map(|Given { name, value, .. }| {
            let mut flag = OsString::from(format!("--{name}="));
            flag.push(value);
            flag
        });
        std::iter::once(program).chain(flags).chain(arguments.iter().skip(1).cloned()).collect()
    }

    /// An error of a value that came from these layers, with its origin.
    fn explain(&self, error: &clap::Error) -> Stop {
        let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else {
            return Stop::Usage(one_line(error));
        };
        let name = flag.trim_start_matches('-').split([' ', '[', '=']).next().unwrap_or_default();
        match self.get(name) {
            Some(Given { origin, .. }) => Stop::Usage(format!("{origin}: {}", one_line(error))),
            None => Stop::Usage(one_line(error)),
        }
    }
}

/// Whether the command line alone says what the flag is.
fn is_given(arg: &Arg, given: &ArgMatches) -> bool {
    let source = given.value_source(arg.get_id().as_str());
    source == Some(ValueSource::CommandLine) && !adds_up(arg)
}

fn is_called(arg: &Arg, name: &str) -> bool {
    let is_alias = |aliases: Vec<&str>| aliases.contains(&name);
    arg.get_long() == Some(name) || arg.get_all_aliases().is_some_and(is_alias)
}

fn repeats(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// Whether what the layers say is taken together.
fn adds_up(arg: &Arg) -> bool {
    arg.get_long() == Some(file::SET)
}

fn config_file(given: &ArgMatches, lower: &Lower) -> Option<OsString> {
    let from_flag = given.get_raw("config").and_then(|mut values| values.next());
    let from_environment = lower.get("config").map(|given| given.value.as_os_str());
    let is_path = |path: &&OsStr| !path.is_empty();
    from_flag.filter(is_path).or(from_environment).map(OsStr::to_owned)
}

fn unknown(setting: &file::Setting) -> Stop {
    let file::Setting { name, place, .. } = setting;
    Stop::Usage(format!("{place}: unknown setting {name:?}; settings are the flags of ha --help"))
}

#[cfg(test)]
mod tests;
