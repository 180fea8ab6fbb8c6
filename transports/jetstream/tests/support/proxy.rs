use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A network between clients and a server that fails on demand.
pub(crate) struct Proxy {
    port: u16,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Default)]
struct State {
    /// Counts the cuts; a connection lives as long as this stays the same.
    cuts: u64,
    refuses: bool,
    holds_answers: bool,
    /// Answers with this text are held back.
    holds_text: Option<&'static str>,
}

impl Proxy {
    pub(crate) async fn start(server_port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = watch::Sender::new(State::default());
        tokio::spawn(serve(listener, server_port, state.subscribe()));
        Self { port, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Ends all connections, and nothing more passes on them; new ones may be made at once.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Whether new connections are refused.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.state.send_modify(|state| state.refuses = refuses);
    }

    /// Whether what the server says is held back.
    pub(crate) fn hold_answers(&self, holds: bool) {
        self.state.send_modify(|state| state.holds_answers = holds);
    }

    /// Holds back what the server says from the first answer with this text on.
    pub(crate) fn hold_answers_with(&self, text: Option<&'static str>) {
        self.state.send_modify(|state| state.holds_text = text);
    }
}

async fn serve(listener: TcpListener, port: u16, state: watch::Receiver<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let State { refuses, cuts, .. } = *state.borrow();
        if !refuses {
            tokio::spawn(connect(client, port, cuts, state.clone()));
        }
    }
}

/// Serves a connection that was taken after so many cuts.
async fn connect(client: TcpStream, port: u16, cuts: u64, mut state: watch::Receiver<State>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (asked, answered) = (state.clone(), state.clone());
    let stands = |state: &State| state.cuts == cuts;
    let may_answer = |state: &State, answer: &[u8]| stands(state) && is_let_through(state, answer);
    tokio::select! {
        () = copy(from_client, to_server, asked, |state, _| stands(state)) => {}
        () = copy(from_server, to_client, answered, may_answer) => {}
        _ = state.wait_for(|state| !stands(state)) => {}
    }
}

fn is_let_through(state: &State, answer: &[u8]) -> bool {
    let holds = |text: &str| answer.windows(text.len()).any(|part| part == text.as_bytes());
    !state.holds_answers && !state.holds_text.is_some_and(holds)
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<State>,
    may_pass: impl Fn(&State, &[u8]) -> bool,
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..read];
        let passes = |state: &State| may_pass(state, bytes);
        if state.wait_for(passes).await.is_err() || to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
