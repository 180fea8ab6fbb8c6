use std::fmt;

/// What was found out about a node or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    subject: String,
    facts: Vec<(&'static str, String)>,
    problems: Vec<Problem>,
}

/// Something that somebody should look after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is the matter.
    pub what: String,
    /// What to do.
    pub todo: String,
}

impl Findings {
    /// Nothing is known yet of `subject`.
    pub fn new(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), facts: Vec::new(), problems: Vec::new() }
    }

    /// Notes how something is.
    pub fn fact(&mut self, name: &'static str, text: impl Into<String>) {
        self.facts.push((name, text.into()));
    }

    /// Notes something that somebody should look after.
    pub fn problem(&mut self, what: impl Into<String>, todo: impl Into<String>) {
        self.problems.push(Problem { what: what.into(), todo: todo.into() });
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.problems.is_empty()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_healthy() { "healthy" } else { "needs attention" };
        writeln!(f, "{}: {state}", self.subject)?;
        let width = self.facts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
        for (name, text) in &self.facts {
            writeln!(f, "  {name:width$}  {text}")?;
        }
        for Problem { what, todo } in &self.problems {
            write!(f, "\n! {what}\n  To do: {todo}\n")?;
        }
        Ok(())
    }
}

/// A number of bytes, as people read it.
pub(super) fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} bytes") } else { format!("{size:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_a_page_that_begins_with_the_verdict() {
        let mut findings = Findings::new("ha.db");
        findings.fact("size", human(5 << 20));
        findings.fact("position", "7");
        assert_eq!(findings.to_string(), "ha.db: healthy\n  size      5.0 MiB\n  position  7\n");
        findings.problem("it is broken", "mend it");
        assert!(!findings.is_healthy());
        let page = findings.to_string();
        assert!(page.starts_with("ha.db: needs attention\n"), "{page}");
        assert!(page.ends_with("\n! it is broken\n  To do: mend it\n"), "{page}");
    }

    #[test]
    fn sizes_are_rounded() {
        assert_eq!([human(0), human(1023), human(1536)], ["0 bytes", "1023 bytes", "1.5 KiB"]);
    }
}
