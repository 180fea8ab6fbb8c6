use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::error::{Failure, Outcome};

/// The largest payload of one packet; a longer message goes on in the next
/// (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html>).
const LARGEST: usize = 0xff_ffff;

/// What is collected before it is sent.
const FLUSH_AT: usize = 64 << 10;

/// A connection as a row of packets.
#[derive(Debug)]
pub(crate) struct Wire {
    tcp: TcpStream,
    input: BytesMut,
    output: Vec<u8>,
    sequence: u8,
    most: usize,
    patience: Option<Duration>,
}

impl Wire {
    /// Messages above `most` bytes are refused.
    pub(crate) fn new(tcp: TcpStream, most: usize) -> Self {
        let (input, output) = (BytesMut::new(), Vec::new());
        Self { tcp, input, output, sequence: 0, most, patience: None }
    }

    /// Takes messages of this size from now on.
    pub(crate) fn allow(&mut self, most: usize) {
        self.most = most;
    }

    /// The client's address.
    pub(crate) fn peer(&self) -> String {
        self.tcp.peer_addr().map_or_else(|_| "unknown".into(), |peer| peer.ip().to_string())
    }

    /// The next command: packets are counted anew from it. From now on the client may be silent for
    /// so long, and no longer.
    pub(crate) async fn command(&mut self, patience: Option<Duration>) -> Outcome<Vec<u8>> {
        (self.sequence, self.patience) = (0, patience);
        self.read().await
    }

    /// The next message. [`Failure::Gone`] when the client closes.
    pub(crate) async fn read(&mut self) -> Outcome<Vec<u8>> {
        let mut message = Vec::new();
        loop {
            self.fill(4).await?;
            let header = self.input.split_to(4);
            let length = u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize;
            self.sequence = header[3].wrapping_add(1);
            if message.len() + length > self.most {
                let text = "Got a packet bigger than 'max_allowed_packet' bytes";
                return Err(Failure::new(1153, "08S01", text));
            }
            self.fill(length).await?;
            message.extend_from_slice(&self.input.split_to(length));
            if length < LARGEST {
                return Ok(message);
            }
        }
    }

    /// Queues a message.
    pub(crate) async fn send(&mut self, message: &[u8]) -> Outcome<()> {
        let mut rest = message;
        loop {
            let (part, after) = rest.split_at(rest.len().min(LARGEST));
            let length = u32::try_from(part.len()).unwrap_or_default().to_le_bytes();
            self.output.extend_from_slice(&length[..3]);
            self.output.push(self.sequence);
            self.output.extend_from_slice(part);
            self.sequence = self.sequence.wrapping_add(1);
            rest = after;
            if part.len() < LARGEST {
                break;
            }
        }
        if self.output.len() >= FLUSH_AT { self.flush().await } else { Ok(()) }
    }

    /// Sends what is queued.
    pub(crate) async fn flush(&mut self) -> Outcome<()> {
        self.tcp.write_all(&self.output).await?;
        self.output.clear();
        Ok(())
    }

    /// Returns when the client has closed the connection. Cancel safe.
    pub(crate) async fn hung_up(&self) {
        let mut byte = [0];
        match self.tcp.peek(&mut byte).await {
            Ok(0) | Err(_) => {}
            // It sends ahead; that it leaves is seen when this is read.
            Ok(_) => std::future::pending().await,
        }
    }

    /// Cancel safe: what was read stays in `input`.
    async fn fill(&mut self, count: usize) -> Outcome<()> {
        while self.input.len() < count {
            let reading = self.tcp.read_buf(&mut self.input);
            let read = match self.patience {
                Some(time) => {
                    tokio::time::timeout(time, reading).await.map_err(|_| Failure::inactive())?
                }
                None => reading.await,
            };
            if read? == 0 {
                return Err(Failure::Gone);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn who_sends_slowly_is_heard_and_who_is_silent_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut wire = Wire::new(listener.accept().await.unwrap().0, 100);
        let sending = tokio::spawn(async move {
            for byte in *b"\x03\0\0\0abc" {
                tokio::time::sleep(PATIENCE * 9 / 10).await;
                client.write_all(&[byte]).await.unwrap();
            }
            client
        });
        assert_eq!(wire.command(Some(PATIENCE)).await.unwrap(), b"abc");
        let _silent = sending.await.unwrap();
        let Err(Failure::Report(report)) = wire.command(Some(PATIENCE)).await else { panic!() };
        assert_eq!(report.code, 4031);
    }
}
