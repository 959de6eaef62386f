//! Early data, which a client sends before the handshake. Anybody who has seen it could replay it.

use super::raw::Raw;
use super::{encoded, enter, hello, listen, run, within};

/// Our server gives no tickets, so the client uses one of another server with the same name.
#[tokio::test]
async fn early_data_is_refused() {
    let endpoint = Raw::default().client();
    let (issuer, address) = Raw::default().server();
    let connecting = endpoint.connect(address, "raw.example").unwrap();
    let accepting = async { issuer.accept().await.unwrap().await.unwrap() };
    let (held, client) = within(async { tokio::join!(accepting, connecting) }).await;
    // The ticket arrives before the first byte.
    held.open_uni().await.unwrap().write_all(&[1]).await.unwrap();
    let mut recv = within(client.unwrap().accept_uni()).await.unwrap();
    within(recv.read_exact(&mut [0])).await.unwrap();

    // The other server takes the ticket, so it is valid.
    let (_again, taken) =
        endpoint.connect(address, "raw.example").unwrap().into_0rtt().ok().unwrap();
    let accepting = async { issuer.accept().await.unwrap().await.unwrap() };
    assert!(within(async { tokio::join!(accepting, taken) }).await.1);

    let listener = listen();
    let connecting = endpoint.connect(listener.local_addr(), "raw.example").unwrap();
    let (client, taken) = connecting.into_0rtt().ok().unwrap();
    let (mut early, _) = within(client.open_bi()).await.unwrap();
    early.write_all(&encoded(&enter(1))).await.unwrap();
    let accepting = async { listener.accept().await.unwrap().establish(encoded(&hello())).await };
    let (link, taken) = within(async { tokio::join!(accepting, taken) }).await;
    assert!(!taken, "early data was taken");

    // The connection goes on as if the early data had not been sent.
    let mut server = run(link.unwrap());
    let (mut send, _recv) = within(client.accept_bi()).await.unwrap();
    send.write_all(&encoded(&enter(2))).await.unwrap();
    assert_eq!(server.read(1).await, [enter(2)]);
}
