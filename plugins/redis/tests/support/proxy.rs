use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A network between clients and a server that fails on demand.
pub(crate) struct Proxy {
    port: u16,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy)]
struct State {
    /// Where connections lead.
    server: u16,
    /// Counts the cuts; a connection lives as long as this stays the same.
    cuts: u64,
    holds_answers: bool,
}

impl Proxy {
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = watch::Sender::new(State { server, cuts: 0, holds_answers: false });
        tokio::spawn(serve(listener, state.subscribe()));
        Self { port, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends all connections, and nothing more passes on them; new ones may be made at once.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Whether what the server says is held back.
    pub(crate) fn hold_answers(&self, holds: bool) {
        self.state.send_modify(|state| state.holds_answers = holds);
    }

    /// Ends all connections; new ones lead to another server.
    pub(crate) fn turn_to(&self, server: u16) {
        self.lead_to(server);
        self.cut();
    }

    /// New connections lead to another server; those that stand go on.
    pub(crate) fn lead_to(&self, server: u16) {
        self.state.send_modify(|state| state.server = server);
    }
}

async fn serve(listener: TcpListener, state: watch::Receiver<State>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(connect(client, state.clone()));
    }
}

async fn connect(client: TcpStream, mut state: watch::Receiver<State>) {
    let State { server, cuts, .. } = *state.borrow();
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (asked, answered) = (state.clone(), state.clone());
    let stands = |state: &State| state.cuts == cuts;
    let may_answer = |state: &State| stands(state) && !state.holds_answers;
    tokio::select! {
        () = copy(from_client, to_server, asked, stands) => {}
        () = copy(from_server, to_client, answered, may_answer) => {}
        _ = state.wait_for(|state| !stands(state)) => {}
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<State>,
    may_pass: impl Fn(&State) -> bool,
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let passes = state.wait_for(&may_pass).await.is_ok();
        if !passes || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
