//! One request on a connection that is not used for load: the head of its answer is all that counts.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::body::Body;
use super::error::{Cutoff, ExchangeError};
use super::parser::Parser;

/// Bytes asked for at once.
const READ: usize = 4096;

/// The final answer's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Bytes that came behind the head until now.
    pub(crate) behind: usize,
}

/// Sends `request` and reads the head of its final answer; heads and their number are bounded by [`Parser`],
/// the time by the caller.
///
/// # Errors
/// [`ExchangeError`]; the stream is of no use then.
pub(crate) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    request: &[u8],
) -> Result<Answer, ExchangeError> {
    let failed = |during| move |kind| ExchangeError::Io { during, kind };
    stream.write_all(request).await.map_err(failed("writing"))?;
    stream.flush().await.map_err(failed("writing"))?;
    let (mut parser, mut body) = (Parser::new(), Body::default());
    // As if for a HEAD: the answer is whole with its head.
    parser.begin(true);
    let (mut buffer, mut received) = (Vec::new(), 0);
    loop {
        let filled = buffer.len();
        buffer.resize(filled + READ, 0);
        let got = stream.read(&mut buffer[filled..]).await.map_err(failed("reading"))?;
        if got == 0 {
            return Err(ExchangeError::Closed(Cutoff { received, reused: false }));
        }
        received += got as u64;
        buffer.truncate(filled + got);
        let step = parser.feed(&buffer, &mut body)?;
        buffer.drain(..step.consumed);
        if step.done {
            return Ok(Answer { status: parser.status(), behind: buffer.len() });
        }
    }
}
