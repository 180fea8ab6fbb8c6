//! What a client asks for and sets of its session: SET and SHOW.

use std::time::Duration;

use ha_core::Value;

use crate::backend::{Answer, Backend};
use crate::dialect::{self, Rewriter, Setting, Show, What, lex};
use crate::error::{Failure, Outcome};
use crate::schema::definition;
use crate::wire::types::{Field, Kind};

/// The longest `wait_timeout` of MySQL, in seconds: a year.
const LONGEST: u64 = 31_536_000;

impl Backend {
    /// Has the session's timeouts begin as the options say.
    pub(crate) fn begin_timeouts(&mut self) {
        let seconds = seconds(self.options.idle_timeout);
        for name in ["wait_timeout", "interactive_timeout"] {
            self.scope.variables.begin_with(name, &seconds);
        }
    }

    /// How long the client may send nothing: its `wait_timeout`, once it has set that.
    pub(crate) fn idle_timeout(&self) -> Option<Duration> {
        let own = self.scope.variables.system("wait_timeout").unwrap_or_default();
        match own.parse::<u64>() {
            Ok(own) if own.to_string() != seconds(self.options.idle_timeout) => {
                Some(Duration::from_secs(own.clamp(1, LONGEST)))
            }
            Ok(_) | Err(_) => self.options.idle_timeout,
        }
    }

    /// SET: what is set before an error stays set.
    pub(crate) async fn set(
        &mut self,
        settings: &[Setting],
        tokens: &[lex::Token<'_>],
    ) -> Outcome<()> {
        for setting in settings {
            let value = &tokens[setting.value.clone()];
            let sql = self.value(value).await?;
            if setting.name.starts_with('@') && !setting.name.starts_with("@@") {
                self.scope.variables.set_user(&setting.name, sql);
                continue;
            }
            let on = match sql.trim_matches('\'').to_ascii_uppercase().as_str() {
                "1" | "ON" | "TRUE" => Some(true),
                "0" | "OFF" | "FALSE" => Some(false),
                _ => None,
            };
            if setting.name.trim_start_matches('@').to_ascii_lowercase().ends_with("autocommit") {
                let wrong = || Failure::new(1231, "42000", "autocommit is 0 or 1");
                let on = on.ok_or_else(wrong)?;
                if on && !self.autocommit {
                    self.commit().await?;
                }
                self.autocommit = on;
            }
            let sql = on.map_or(sql, |on| u8::from(on).to_string());
            self.scope.variables.set_system(&setting.name, sql)?;
        }
        Ok(())
    }

    /// The value that is set, as a literal. A bare word stands for itself.
    async fn value(&mut self, tokens: &[lex::Token<'_>]) -> Outcome<String> {
        if let [word] = tokens
            && word.kind == lex::Kind::Word
            && !word.is("NULL")
        {
            return Ok(dialect::literal(word.text));
        }
        let sql = Rewriter::new(&self.scope).expression(tokens)?;
        let result = self.query(format!("SELECT {sql}")).await?;
        let value = result.rows.first().and_then(|row| row.first());
        Ok(dialect::constant(value.unwrap_or(&Value::Null)))
    }

    /// SHOW and DESCRIBE.
    pub(crate) async fn show(&mut self, show: &Show) -> Outcome<Answer> {
        if let Some(sql) = show.sql(&Rewriter::new(&self.scope))? {
            if let What::Columns { table, .. } | What::Index(table) = &show.what {
                definition::of(self, table).await?;
            }
            return self.query(sql).await.map(Answer::from);
        }
        if let What::CreateTable(table) = &show.what {
            let (view, sql) = definition::of(self, table).await?;
            let names = if view { ["View", "Create View"] } else { ["Table", "Create Table"] };
            return Ok(Answer::Rows(texts(&names), vec![vec![table.as_str().into(), sql.into()]]));
        }
        let row = |(level, code, text): &(&'static str, u16, String)| {
            vec![Value::from(*level), i64::from(*code).into(), text.clone().into()]
        };
        let mut fields = texts(&["Level", "Code", "Message"]);
        fields[1].kind = Kind::BIG;
        Ok(Answer::Rows(fields, self.warnings.iter().map(row).collect()))
    }
}

fn seconds(time: Option<Duration>) -> String {
    time.map_or(LONGEST, |time| time.as_secs_f64().ceil() as u64).to_string()
}

fn texts(names: &[&str]) -> Vec<Field> {
    let field =
        |name: &&str| Field { name: (*name).into(), table: String::new(), kind: Kind::TEXT };
    names.iter().map(field).collect()
}
