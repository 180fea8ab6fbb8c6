//! The configuration file: names and values, in the plain format of v0.0.7 or in TOML.

use std::path::Path;

/// The setting that tables are read as.
pub(crate) const SET: &str = "set";

/// The tables that a plugin's table may hold.
const PARTS: [&str; 2] = ["transport", "frontend"];

/// A setting and where in the file it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The flag's name without dashes.
    pub name: String,
    /// Its value as text; lists are joined by commas. Of [`SET`] it is `NAME.KEY=VALUE`.
    pub value: String,
    /// The file, with the line where the format has lines.
    pub place: String,
}

/// Reads a file. It is TOML if it is called `.toml` or its first line of content is an
/// assignment; everything else is plain. The error is one line that names the file.
pub(crate) fn read(path: &Path) -> Result<Vec<Setting>, String> {
    let place = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{place}: {error}"))?;
    let is_toml = path.extension().is_some_and(|suffix| suffix == "toml") || assigns(&text);
    if is_toml { from_toml(&text, &place) } else { Ok(from_plain(&text, &place)) }
}

/// One `name value` a line. A name alone is `true`, leading dashes do not count, `#` at the
/// beginning of a line or after a blank starts a comment.
fn from_plain(text: &str, place: &str) -> Vec<Setting> {
    let settings = text.lines().enumerate().filter_map(|(index, line)| {
        let (name, value) = split_line(line)?;
        let name = name.trim_start_matches('-').to_owned();
        Some(Setting { name, value: value.to_owned(), place: format!("{place}:{}", index + 1) })
    });
    settings.collect()
}

fn split_line(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let comment = line.find(" #").or_else(|| line.find("\t#")).unwrap_or(line.len());
    let line = line[..comment].trim_end();
    Some(match line.split_once(char::is_whitespace) {
        Some((name, value)) => (name, value.trim_start()),
        None => (line, "true"),
    })
}

fn from_toml(text: &str, place: &str) -> Result<Vec<Setting>, String> {
    let table: toml::Table = text.parse().map_err(|error| toml_error(text, place, &error))?;
    let mut settings = Vec::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(table) => settings.extend(of_plugin(&name, table, place)?),
            value => settings.push(Setting {
                value: text_of(&name, &value, place)?,
                name,
                place: place.to_owned(),
            }),
        }
    }
    Ok(settings)
}

/// A table is what is set for the plugin of that name; one in it is for a part of the plugin.
fn of_plugin(plugin: &str, table: toml::Table, place: &str) -> Result<Vec<Setting>, String> {
    let mut settings = Vec::new();
    for (key, value) in table {
        let name = format!("{plugin}.{key}");
        match value {
            toml::Value::Table(table) if PARTS.contains(&key.as_str()) => {
                settings.extend(of_part(&name, &table, place)?);
            }
            value => settings.push(assignment(&name, &value, place)?),
        }
    }
    Ok(settings)
}

fn of_part(part: &str, table: &toml::Table, place: &str) -> Result<Vec<Setting>, String> {
    table.iter().map(|(key, value)| assignment(&format!("{part}.{key}"), value, place)).collect()
}

fn assignment(name: &str, value: &toml::Value, place: &str) -> Result<Setting, String> {
    let value = format!("{name}={}", text_of(name, value, place)?);
    Ok(Setting { name: SET.to_owned(), value, place: place.to_owned() })
}

fn text_of(name: &str, value: &toml::Value, place: &str) -> Result<String, String> {
    let nested = || format!("{place}: {name} is not a setting with a simple value or a list");
    as_text(value).ok_or_else(nested)
}

fn toml_error(text: &str, place: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
    format!("{place}:{}: {}", before.matches('\n').count() + 1, error.message())
}

fn as_text(value: &toml::Value) -> Option<String> {
    Some(match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Boolean(yes) => yes.to_string(),
        toml::Value::Array(items) => {
            items.iter().map(as_text).collect::<Option<Vec<_>>>()?.join(",")
        }
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Datetime(time) => time.to_string(),
        toml::Value::Table(_) => return None,
    })
}

/// Whether the first line of content is `name =` or `[table]`.
fn assigns(text: &str) -> bool {
    let content = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let Some(line) = text.lines().map(str::trim).find(content) else { return false };
    let name_end = line.find(|c: char| !c.is_alphanumeric() && !"-_\"".contains(c));
    line.starts_with('[') || name_end.is_some_and(|end| line[end..].trim_start().starts_with('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(name: &str, text: &str) -> Result<Vec<(String, String)>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let settings = read(&path)?;
        Ok(settings.into_iter().map(|setting| (setting.name, setting.value)).collect())
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn plain_lines_are_names_and_values() {
        let text = "# a comment\n\nname node1\nmemory\n--port\t8081 # why\nreplication-policy by_start_time=2026-01-02 03:04:05\npg-pass a#b\n";
        let expected = pairs(&[
            ("name", "node1"),
            ("memory", "true"),
            ("port", "8081"),
            ("replication-policy", "by_start_time=2026-01-02 03:04:05"),
            ("pg-pass", "a#b"),
        ]);
        assert_eq!(read_as("ha.conf", text), Ok(expected));
    }

    #[test]
    fn plain_settings_know_their_line() {
        assert_eq!(from_plain("\nport 1", "ha.conf")[0].place, "ha.conf:2");
    }

    #[test]
    fn toml_is_known_by_its_name_or_its_content() {
        let text = "# c\nport = 8081\nmemory = true\nfrontend = [\"http\", \"pg\"]\nname = \"n\"\n";
        let mut expected =
            pairs(&[("port", "8081"), ("memory", "true"), ("frontend", "http,pg"), ("name", "n")]);
        expected.sort();
        for name in ["ha.toml", "ha.conf"] {
            let mut settings = read_as(name, text).unwrap();
            settings.sort();
            assert_eq!(settings, expected, "{name}");
        }
    }

    #[test]
    fn wrong_toml_is_one_line_with_its_place() {
        let error = read_as("ha.toml", "port = 1\nname = \n").unwrap_err();
        assert!(error.contains("ha.toml:2: ") && !error.contains('\n'), "{error}");
        let error = read_as("ha.conf", "[redis.tls]\non = true\n").unwrap_err();
        assert!(error.contains("redis.tls is not a setting"), "{error}");
    }

    #[test]
    fn a_table_is_what_is_set_for_a_plugin() {
        let text = "[redis]\nport = 1\nurl = \"a,b\\nc\"\nfast = true\nratio = 1.5\n";
        let expected = [("port", "1"), ("url", "a,b\nc"), ("fast", "true"), ("ratio", "1.5")];
        let mut expected: Vec<_> = expected
            .iter()
            .map(|(key, value)| ("set".to_owned(), format!("redis.{key}={value}")))
            .collect();
        expected.sort();
        let mut settings = read_as("ha.toml", text).unwrap();
        settings.sort();
        assert_eq!(settings, expected);
    }

    #[test]
    fn a_table_in_it_is_for_a_part_of_the_plugin() {
        let expected = pairs(&[("set", "x.frontend.port=1"), ("set", "x.transport.url=u")]);
        for text in [
            "[x.frontend]\nport = 1\n[x.transport]\nurl = \"u\"\n",
            "[x]\nfrontend.port = 1\ntransport = { url = \"u\" }\n",
        ] {
            assert_eq!(read_as("ha.toml", text).unwrap(), expected);
        }
        let error = read_as("ha.toml", "[x.transport.tls]\non = true\n").unwrap_err();
        assert!(error.contains("x.transport.tls is not a setting"), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(Path::new("/nonexistent.cfg")).unwrap_err();
        assert!(error.starts_with("/nonexistent.cfg: No such file"), "{error}");
    }
}
