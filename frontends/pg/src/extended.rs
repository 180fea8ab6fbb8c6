use std::sync::Arc;

use bytes::Bytes;
use ha_core::{Column, Value};
use pgwire::messages::PgWireBackendMessage as Reply;
use pgwire::messages::PgWireFrontendMessage as Message;
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete,
    PortalSuspended, TARGET_TYPE_BYTE_PORTAL, TARGET_TYPE_BYTE_STATEMENT,
};
use pgwire::messages::response::{CommandComplete, EmptyQueryResponse};

use crate::answer::{Field, Tag, data_row, format, row_description};
use crate::backend::Performed;
use crate::connection::{Connection, watched};
use crate::dialect::Translation;
use crate::error::{Failure, Outcome};
use crate::prepare::Prepared;
use crate::types::{self, Format};
use crate::wire::Wire;

/// A statement with its parameters.
pub(crate) struct Portal {
    prepared: Arc<Prepared>,
    params: Vec<Value>,
    formats: Vec<Format>,
    /// What is left of its result, once it was executed.
    result: Option<Rows>,
}

/// Rows that have not been sent.
struct Rows {
    rest: std::vec::IntoIter<Vec<Value>>,
    tag: Tag,
    sent: usize,
}

/// A portal to execute, and the most rows to send; 0 is all.
pub(crate) struct Execution {
    portal: String,
    max_rows: usize,
}

impl Connection {
    /// Serves a message of the extended protocol other than Sync
    /// (<https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY>).
    pub(crate) async fn extended(&mut self, wire: &mut Wire, message: Message) -> Outcome<()> {
        match message {
            Message::Parse(parse) => self.parse(wire, parse).await,
            Message::Bind(bind) => self.bind(wire, bind).await,
            Message::Describe(describe) => self.describe(wire, describe).await,
            Message::Execute(execute) => self.execute(execute),
            Message::Close(close) => self.close(wire, close).await,
            Message::Flush(_) => wire.flush().await,
            _ => Err(Failure::protocol("unexpected message").into_fatal()),
        }
    }

    /// Runs the Execute that waited for the next message. `alone`: that message is Sync, and
    /// nothing else is in an implicit transaction; the statement commits by itself.
    pub(crate) async fn execute_pending(&mut self, wire: &mut Wire, alone: bool) -> Outcome<()> {
        let Some(Execution { portal: name, max_rows }) = self.pending.take() else { return Ok(()) };
        let missing = || Failure::error("34000", format!("portal \"{name}\" does not exist"));
        let mut portal = self.portals.remove(&name).ok_or_else(missing)?;
        let result = self.advance(wire, &mut portal, max_rows, alone).await;
        self.portals.insert(name, portal);
        result
    }

    async fn parse(&mut self, wire: &mut Wire, parse: Parse) -> Outcome<()> {
        let name = parse.name.unwrap_or_default();
        if !name.is_empty() && self.statements.contains_key(&name) {
            let text = format!("prepared statement \"{name}\" already exists");
            return Err(Failure::error("42P05", text));
        }
        let prepared = Prepared::new(&mut self.backend, &parse.query, &parse.type_oids);
        let prepared = watched(wire, prepared).await?;
        self.statements.insert(name, Arc::new(prepared));
        wire.feed(Reply::ParseComplete(ParseComplete::new())).await
    }

    async fn bind(&mut self, wire: &mut Wire, bind: Bind) -> Outcome<()> {
        let prepared = self.statement(bind.statement_name.as_deref())?;
        let name = bind.portal_name.unwrap_or_default();
        if !name.is_empty() && self.portals.contains_key(&name) {
            return Err(Failure::error("42P03", format!("portal \"{name}\" already exists")));
        }
        let params = params(&prepared, &bind.parameters, &bind.parameter_format_codes)?;
        let formats = result_formats(&prepared, &bind.result_column_format_codes)?;
        self.portals.insert(name, Portal { prepared, params, formats, result: None });
        wire.feed(Reply::BindComplete(BindComplete::new())).await
    }

    async fn describe(&mut self, wire: &mut Wire, describe: Describe) -> Outcome<()> {
        match describe.target_type {
            TARGET_TYPE_BYTE_STATEMENT => {
                let prepared = self.statement(describe.name.as_deref())?;
                let types = prepared.params.iter().map(pgwire::api::Type::oid).collect();
                wire.feed(Reply::ParameterDescription(ParameterDescription::new(types))).await?;
                describe_fields(wire, &prepared.fields, &[]).await
            }
            TARGET_TYPE_BYTE_PORTAL => {
                let name = describe.name.unwrap_or_default();
                let missing =
                    || Failure::error("34000", format!("portal \"{name}\" does not exist"));
                let portal = self.portals.get(&name).ok_or_else(missing)?;
                describe_fields(wire, &portal.prepared.fields, &portal.formats).await
            }
            _ => Err(Failure::protocol("invalid DESCRIBE message")),
        }
    }

    fn execute(&mut self, execute: Execute) -> Outcome<()> {
        let max_rows = usize::try_from(execute.max_rows).unwrap_or(0);
        self.pending = Some(Execution { portal: execute.name.unwrap_or_default(), max_rows });
        Ok(())
    }

    async fn close(&mut self, wire: &mut Wire, close: Close) -> Outcome<()> {
        let name = close.name.unwrap_or_default();
        match close.target_type {
            TARGET_TYPE_BYTE_STATEMENT => drop(self.statements.remove(&name)),
            TARGET_TYPE_BYTE_PORTAL => drop(self.portals.remove(&name)),
            _ => return Err(Failure::protocol("invalid CLOSE message")),
        }
        wire.feed(Reply::CloseComplete(CloseComplete::new())).await
    }

    fn statement(&self, name: Option<&str>) -> Outcome<Arc<Prepared>> {
        let name = name.unwrap_or_default();
        let missing =
            || Failure::error("26000", format!("prepared statement \"{name}\" does not exist"));
        self.statements.get(name).cloned().ok_or_else(missing)
    }

    /// Executes the portal if that has not happened, and sends its next rows.
    async fn advance(
        &mut self,
        wire: &mut Wire,
        portal: &mut Portal,
        max_rows: usize,
        alone: bool,
    ) -> Outcome<()> {
        let prepared = Arc::clone(&portal.prepared);
        let Some(statement) = &prepared.statement else {
            return wire.feed(Reply::EmptyQueryResponse(EmptyQueryResponse::new())).await;
        };
        let rows = match portal.result.take() {
            Some(rows) => rows,
            None => self.start(wire, statement, portal, alone).await?,
        };
        self.tell_changes(wire).await?;
        let rows = portal.result.insert(rows);
        send(wire, &prepared.fields, &portal.formats, rows, max_rows).await
    }

    async fn start(
        &mut self,
        wire: &Wire,
        statement: &Translation,
        portal: &Portal,
        alone: bool,
    ) -> Outcome<Rows> {
        let work = self.backend.perform(statement, portal.params.clone(), alone);
        let (rows, tag) = match watched(wire, work).await? {
            Performed::Answer(answer) => (answer.rows, answer.tag),
            Performed::Result(result, tag) => {
                unchanged(&portal.prepared.fields, &result.columns)?;
                (result.rows, tag)
            }
        };
        self.forget(&statement.command);
        Ok(Rows { rest: rows.into_iter(), tag, sent: 0 })
    }
}

/// The client was told the columns when it prepared the statement; the schema may have changed.
fn unchanged(fields: &[Field], columns: &[Column]) -> Outcome<()> {
    let same = |(field, column): (&Field, &Column)| {
        column.decl_type.as_deref().is_none_or(|declared| types::declared(declared) == field.ty)
    };
    if fields.len() == columns.len() && fields.iter().zip(columns).all(same) {
        return Ok(());
    }
    Err(Failure::error("0A000", "cached plan must not change result type"))
}

async fn describe_fields(wire: &mut Wire, fields: &[Field], formats: &[Format]) -> Outcome<()> {
    if fields.is_empty() {
        wire.feed(Reply::NoData(NoData::new())).await
    } else {
        wire.feed(row_description(fields, formats)).await
    }
}

async fn send(
    wire: &mut Wire,
    fields: &[Field],
    formats: &[Format],
    rows: &mut Rows,
    max_rows: usize,
) -> Outcome<()> {
    let most = if max_rows == 0 { usize::MAX } else { max_rows };
    let before = rows.sent;
    while rows.sent - before < most {
        let Some(row) = rows.rest.next() else {
            // A portal that goes on counts what this Execute sent, as PostgreSQL does.
            let tag = rows.tag.words(rows.sent - before);
            return wire.feed(Reply::CommandComplete(CommandComplete::new(tag))).await;
        };
        wire.feed(data_row(fields, formats, &row)?).await?;
        rows.sent += 1;
    }
    wire.feed(Reply::PortalSuspended(PortalSuspended::new())).await
}

fn params(prepared: &Prepared, values: &[Option<Bytes>], codes: &[i16]) -> Outcome<Vec<Value>> {
    let (given, needed) = (values.len(), prepared.params.len());
    if given != needed {
        return Err(Failure::protocol(format!(
            "bind message supplies {given} parameters, but the prepared statement requires {needed}"
        )));
    }
    let formats = formats(codes, given, "parameters")?;
    let decode = |(index, value): (usize, &Option<Bytes>)| {
        types::decode(value.as_deref(), &prepared.params[index], format(&formats, index))
    };
    values.iter().enumerate().map(decode).collect()
}

fn result_formats(prepared: &Prepared, codes: &[i16]) -> Outcome<Vec<Format>> {
    // PostgreSQL ignores the formats of a statement without a result.
    if prepared.fields.is_empty() {
        return Ok(Vec::new());
    }
    formats(codes, prepared.fields.len(), "columns")
}

fn formats(codes: &[i16], count: usize, what: &str) -> Outcome<Vec<Format>> {
    if codes.len() > 1 && codes.len() != count {
        let text = format!("bind message has {} formats but {count} {what}", codes.len());
        return Err(Failure::protocol(text));
    }
    codes.iter().map(|code| Format::of_code(*code)).collect()
}
