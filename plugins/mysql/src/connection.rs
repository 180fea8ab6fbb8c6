use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use ha_core::{Shutdown, Value};

use crate::Options;
use crate::backend::{Answer, Backend};
use crate::connections::Registration;
use crate::dialect::{quoted, readable};
use crate::error::{Failure, Outcome};
use crate::rows;
use crate::wire::params::{self, ParamType};
use crate::wire::reply::{self, Done};
use crate::wire::types::Field;
use crate::wire::{Reader, Wire, handshake};

/// How many statements a client may have prepared.
const MOST_PREPARED: usize = 16_382;

/// A client that has logged in.
pub(crate) struct Connection {
    pub(crate) backend: Backend,
    pub(crate) options: Arc<Options>,
    pub(crate) registration: Registration,
    pub(crate) prepared: HashMap<u32, Prepared>,
    pub(crate) last_prepared: u32,
}

/// A prepared statement.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    sql: String,
    params: usize,
    /// As the client told with the last execution.
    types: Vec<ParamType>,
    /// Values that came ahead.
    long: Vec<Option<Vec<u8>>>,
}

impl Connection {
    /// Serves the client until it leaves, breaks the protocol, is killed, or the node stops.
    pub(crate) async fn serve(mut self, mut wire: Wire, stop: Shutdown) {
        let killed = Arc::clone(&self.registration.killed);
        loop {
            let packet = tokio::select! {
                biased;
                () = stop.requested() => {
                    return tell(&mut wire, 1053, "Server shutdown in progress").await;
                }
                () = killed.notified() => {
                    return tell(&mut wire, 3169, "The connection was killed").await;
                }
                packet = wire.command() => packet,
            };
            let result = match packet {
                Ok(packet) if packet.first() == Some(&1) => return,
                Ok(packet) => self.step(&mut wire, &packet).await,
                Err(failure) => {
                    let _ = report(&mut wire, failure).await;
                    return;
                }
            };
            let result = match result {
                Err(failure) => report(&mut wire, failure).await,
                Ok(()) => Ok(()),
            };
            if result.is_err() || wire.flush().await.is_err() {
                return;
            }
        }
    }

    /// Does what a command asks for
    /// (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase.html>).
    async fn step(&mut self, wire: &mut Wire, packet: &[u8]) -> Outcome<()> {
        let Some((command, body)) = packet.split_first() else {
            return Err(Failure::protocol("empty"));
        };
        match command {
            0x02 => {
                self.backend.scope.database = text(body);
                self.done(wire).await
            }
            0x03 => {
                let sql = readable(body)?;
                let answer = watched(wire, self.backend.run(&sql, Vec::new())).await?;
                self.answer(wire, answer, rows::text_row).await
            }
            0x04 => self.field_list(wire, body).await,
            0x09 => wire.send(b"Uptime: 0  Threads: 1").await,
            0x0e => self.done(wire).await,
            0x11 => self.change_user(wire, body).await,
            0x16 => self.prepare(wire, body).await,
            0x17 => self.execute(wire, body).await,
            0x18 => {
                // Answered by nothing, not even by an error.
                let _ = self.long_data(body);
                Ok(())
            }
            0x19 => {
                if let Ok(id) = Reader(body).int(4) {
                    self.prepared.remove(&(id as u32));
                }
                Ok(())
            }
            0x1a => {
                self.statement(&mut Reader(body))?.long.clear();
                self.done(wire).await
            }
            // Several statements in one text stay off.
            0x1b if body == [1, 0] => wire.send(&reply::end(self.backend.status())).await,
            0x1f => {
                self.prepared.clear();
                self.backend.reset().await?;
                self.done(wire).await
            }
            _ => Err(Failure::new(1047, "08S01", "Unknown command")),
        }
    }

    async fn done(&mut self, wire: &mut Wire) -> Outcome<()> {
        wire.send(&reply::done(&Done::default(), self.backend.status())).await
    }

    async fn answer(
        &mut self,
        wire: &mut Wire,
        answer: Answer,
        encode: fn(&[Field], &[Value]) -> Vec<u8>,
    ) -> Outcome<()> {
        let status = self.backend.status();
        match answer {
            Answer::Done(done) => wire.send(&reply::done(&done, status)).await,
            Answer::Rows(fields, rows) => {
                wire.send(&reply::count(fields.len())).await?;
                self.columns(wire, &fields).await?;
                for row in &rows {
                    wire.send(&encode(&fields, row)).await?;
                }
                wire.send(&reply::end(status)).await
            }
        }
    }

    /// Columns and what ends them.
    async fn columns(&mut self, wire: &mut Wire, fields: &[Field]) -> Outcome<()> {
        for field in fields {
            wire.send(&reply::column(field, &self.backend.scope.database)).await?;
        }
        wire.send(&reply::end(self.backend.status())).await
    }

    async fn field_list(&mut self, wire: &mut Wire, body: &[u8]) -> Outcome<()> {
        let table = text(Reader(body).until_nul());
        let sql = format!("SELECT * FROM {}", quoted(&table));
        let columns = self.backend.session.describe(&sql).await?.columns;
        for field in rows::described(&columns) {
            let mut column = reply::column(&field, &self.backend.scope.database);
            // The default value, which is not told.
            column.push(0xfb);
            wire.send(&column).await?;
        }
        wire.send(&reply::end(self.backend.status())).await
    }

    async fn change_user(&mut self, wire: &mut Wire, body: &[u8]) -> Outcome<()> {
        let login = match handshake::change_user(wire, body, &self.options).await {
            Ok(login) => login,
            Err(failure) => {
                report(wire, failure).await?;
                wire.flush().await?;
                return Err(Failure::Gone);
            }
        };
        self.prepared.clear();
        self.backend.reset().await?;
        (self.backend.scope.user, self.backend.scope.database) = (login.user, login.database);
        Ok(())
    }

    async fn prepare(&mut self, wire: &mut Wire, body: &[u8]) -> Outcome<()> {
        if self.prepared.len() >= MOST_PREPARED {
            return Err(Failure::new(1461, "42000", "Can't create more prepared statements"));
        }
        let sql = readable(body)?.into_owned();
        let (params, columns) = watched(wire, self.backend.describe(&sql)).await?;
        self.last_prepared = self.last_prepared.wrapping_add(1).max(1);
        let id = self.last_prepared;
        wire.send(&reply::prepared(id, columns.len(), params)).await?;
        if params > 0 {
            let param = Field {
                name: "?".into(),
                table: String::new(),
                kind: crate::wire::types::Kind::TEXT,
            };
            self.columns(wire, &vec![param; params]).await?;
        }
        if !columns.is_empty() {
            self.columns(wire, &columns).await?;
        }
        self.prepared.insert(id, Prepared { sql, params, ..Prepared::default() });
        Ok(())
    }

    async fn execute(&mut self, wire: &mut Wire, body: &[u8]) -> Outcome<()> {
        let mut reader = Reader(body);
        let statement = self.statement(&mut reader)?;
        // The kind of cursor, and how often: never several times.
        reader.take(5)?;
        let long = std::mem::take(&mut statement.long);
        let values = params::read(&mut reader, statement.params, &mut statement.types, &long)?;
        let sql = statement.sql.clone();
        let answer = watched(wire, self.backend.run(&sql, values)).await?;
        self.answer(wire, answer, rows::binary_row).await
    }

    fn long_data(&mut self, body: &[u8]) -> Outcome<()> {
        let most = self.options.max_packet_bytes;
        let mut reader = Reader(body);
        let statement = self.statement(&mut reader)?;
        let index = reader.int(2)? as usize;
        if index >= statement.params {
            return Err(Failure::protocol("no such parameter"));
        }
        statement.long.resize(statement.params, None);
        let value = statement.long[index].get_or_insert_default();
        if value.len() + reader.0.len() <= most {
            value.extend_from_slice(reader.0);
        }
        Ok(())
    }

    /// The statement whose number comes next.
    fn statement(&mut self, reader: &mut Reader<'_>) -> Outcome<&mut Prepared> {
        let id = reader.int(4)? as u32;
        self.prepared.get_mut(&id).ok_or_else(|| {
            Failure::new(1243, "HY000", format!("Unknown prepared statement handler ({id})"))
        })
    }
}

/// Does work for a client as long as the client is there to get the answer.
async fn watched<T>(wire: &Wire, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::select! {
        biased;
        result = work => result,
        () = wire.hung_up() => Err(Failure::Gone),
    }
}

/// Tells the client of an error.
pub(crate) async fn report(wire: &mut Wire, failure: Failure) -> Outcome<()> {
    match failure {
        Failure::Report(report) => wire.send(&reply::failed(&report)).await,
        Failure::Gone => Err(Failure::Gone),
    }
}

async fn tell(wire: &mut Wire, code: u16, message: &str) {
    let _ = report(wire, Failure::new(code, "08S01", message)).await;
    let _ = wire.flush().await;
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
