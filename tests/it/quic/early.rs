//! Data that a client sends before the handshake: anybody who has seen it could send it again.

use super::raw::Raw;
use super::{encoded, enter, hello, listen, run, within};

/// Nobody else gives a ticket, so the client has that of another server with the same name.
#[tokio::test]
async fn early_data_is_refused() {
    let endpoint = Raw::default().client();
    let (giver, address) = Raw::default().server();
    let connecting = endpoint.connect(address, "raw.example").unwrap();
    let accepting = async { giver.accept().await.unwrap().await.unwrap() };
    let (held, client) = within(async { tokio::join!(accepting, connecting) }).await;
    // The ticket comes before the first byte.
    held.open_uni().await.unwrap().write_all(&[1]).await.unwrap();
    let mut recv = within(client.unwrap().accept_uni()).await.unwrap();
    within(recv.read_exact(&mut [0])).await.unwrap();

    // The giver takes it, so it is good.
    let (_again, taken) =
        endpoint.connect(address, "raw.example").unwrap().into_0rtt().ok().unwrap();
    let accepting = async { giver.accept().await.unwrap().await.unwrap() };
    assert!(within(async { tokio::join!(accepting, taken) }).await.1);

    let listener = listen();
    let connecting = endpoint.connect(listener.local_addr(), "raw.example").unwrap();
    let (client, taken) = connecting.into_0rtt().ok().unwrap();
    let (mut early, _) = within(client.open_bi()).await.unwrap();
    early.write_all(&encoded(&enter(1))).await.unwrap();
    let accepting = async { listener.accept().await.unwrap().establish(encoded(&hello())).await };
    let (link, taken) = within(async { tokio::join!(accepting, taken) }).await;
    assert!(!taken, "early data was taken");

    // The link goes on as if nothing had been said.
    let mut server = run(link.unwrap());
    let (mut send, _recv) = within(client.accept_bi()).await.unwrap();
    send.write_all(&encoded(&enter(2))).await.unwrap();
    assert_eq!(server.read(1).await, [enter(2)]);
}
