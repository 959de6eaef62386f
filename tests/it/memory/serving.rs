//! A server on the engine in memory, used by real clients.

use qmsg::durable::Quotas;
use qmsg::logic::Limits;
use qmsg::server::Server;
use qmsg::store::OpenError;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::MemoryStore;
use crate::quic::settings;
use crate::real::kit::Home;

#[test]
fn real_clients_are_served() {
    let runtime = Runtime::new().unwrap();
    let entered = runtime.enter();
    let memory = MemoryStore::new(Quotas::default());
    let open = |done| memory.serve(done).map_err(OpenError::Thread);
    let endpoint = settings("127.0.0.1:0");
    let server = Server::start_on(&endpoint, Limits::default(), open).unwrap();
    drop(entered);
    let address = server.local_addr().to_string();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = runtime.spawn(server.run(async move { drop(stopped.await) }));

    let home = Home::new();
    for id in ["alice", "bob"] {
        home.run(&["join", id, "-s", &address]).ok();
    }
    home.run(&["send", "--as", "alice", "bob", "hello"]).ok();
    let long = "many ".repeat(60_000);
    home.pipe(long.as_bytes(), &["send", "bob", "--as", "alice"]).ok();
    let heard = home.run(&["listen", "--as", "bob", "-n", "2"]).ok();
    assert_eq!(heard.trim_end(), format!("hello\n{long}").trim_end());
    assert_eq!(home.run(&["listen", "--as", "bob", "--poll"]).ok(), "", "acked");
    home.run(&["join", "@ops", "--as", "bob"]).ok();
    home.run(&["send", "--as", "alice", "@ops", "all"]).ok();
    assert_eq!(home.run(&["listen", "--as", "bob", "--poll"]).ok(), "all\n");

    stop.send(()).unwrap();
    runtime.block_on(running).unwrap().unwrap();
}
