//! A server of HTTP/2 (the h2 crate) on loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A request with its body, and its number among those of its connection, from 1.
pub(crate) struct Asked {
    pub(crate) head: http::request::Parts,
    pub(crate) body: Vec<u8>,
    pub(crate) number: u64,
}

/// What becomes of a request.
pub(crate) enum Reply {
    /// Answered after 5 ms.
    Answer(Response<Bytes>),
    /// Answered with status 200 after so many milliseconds.
    Late(u64),
    /// Its stream is reset as not looked at.
    Refused,
}

impl Reply {
    pub(crate) fn status(status: u16, body: &'static str) -> Self {
        Self::Answer(Response::builder().status(status).body(body.into()).expect("valid"))
    }
}

/// How connections end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ends {
    Never,
    /// In order (GOAWAY) after so many requests, all of which are answered.
    After(u64),
    /// So many connections say GOAWAY instead of looking at their first request.
    Refusing(u64),
}

/// What a server has seen.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) accepted: Arc<AtomicU64>,
}

type Answers = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

impl Server {
    pub(crate) fn start(ends: Ends, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(Builder::new(), ends, answer)
    }

    /// One whose connections take so many streams at the same time, and refuse others.
    pub(crate) fn narrow(streams: u32, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let mut builder = Builder::new();
        builder.max_concurrent_streams(streams);
        Self::with(builder, Ends::Never, answer)
    }

    fn with(builder: Builder, ends: Ends, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        listener.set_nonblocking(true).expect("a setting");
        let accepted = Arc::new(AtomicU64::new(0));
        let (count, answers): (_, Answers) = (Arc::clone(&accepted), Arc::new(answer));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("starts");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                while let Ok((stream, _)) = listener.accept().await {
                    let number = count.fetch_add(1, Ordering::Relaxed);
                    match ends {
                        Ends::Refusing(most) if number < most => tokio::spawn(refuse(stream)),
                        _ => tokio::spawn(serve(stream, builder.clone(), ends, Arc::clone(&answers))),
                    };
                }
            });
        });
        Self { url, accepted }
    }
}

async fn serve(stream: TcpStream, builder: Builder, ends: Ends, answers: Answers) {
    let Ok(mut connection) = builder.handshake(stream).await else { return };
    let mut number = 0;
    while let Some(Ok((request, reply))) = connection.accept().await {
        number += 1;
        if ends == Ends::After(number) {
            connection.graceful_shutdown();
        }
        tokio::spawn(answer(request, number, reply, Arc::clone(&answers)));
    }
}

/// A body that does not come as its head says gets no answer of ours: the h2 crate resets its stream.
async fn answer(request: Request<RecvStream>, number: u64, mut reply: SendResponse<Bytes>, answers: Answers) {
    let (head, mut incoming) = request.into_parts();
    let mut body = Vec::new();
    while let Some(part) = incoming.data().await {
        let Ok(part) = part else { return };
        let _ = incoming.flow_control().release_capacity(part.len());
        body.extend_from_slice(&part);
    }
    let (answer, millis) = match answers(&Asked { head, body, number }) {
        Reply::Refused => return reply.send_reset(Reason::REFUSED_STREAM),
        Reply::Answer(answer) => (answer, 5),
        Reply::Late(millis) => (Response::new(Bytes::new()), millis),
    };
    tokio::time::sleep(Duration::from_millis(millis)).await;
    let (head, body) = answer.into_parts();
    let Ok(mut out) = reply.send_response(Response::from_parts(head, ()), false) else { return };
    let _ = out.send_data(body, true);
}

/// SETTINGS, then a GOAWAY that names no stream at all: whatever comes is not looked at.
async fn refuse(mut stream: TcpStream) {
    const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    const GOAWAY: &[u8] = b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let mut buffer = [0; 4096];
    let asked = matches!(stream.read(&mut buffer).await, Ok(1..));
    if asked && stream.write_all(&[SETTINGS, GOAWAY].concat()).await.is_ok() {
        while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
    }
}
