//! One connection: sends a request, reads the answer and throws it away.

use std::io;
use std::net::SocketAddr;

use httparse::Status;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::report::Bytes;

const BUFFER: usize = 16 << 10;
/// The longest head of an answer, or of one of its chunks.
const LONGEST_HEAD: usize = 64 << 10;
const MOST_HEADERS: usize = 128;

/// An answer that did not come.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The connection ended first; before the first byte of an answer if `untouched`.
    Closed { untouched: bool, source: io::Error },
    /// What came is not HTTP/1.
    Malformed(String),
}

impl Fault {
    fn malformed(reason: impl ToString) -> Fault {
        Fault::Malformed(reason.to_string())
    }
}

/// What is kept of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether the connection takes another request.
    pub(crate) reusable: bool,
}

/// How an answer's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    After(u64),
    Chunked,
    WithTheConnection,
}

/// A connection, and what has been read from it but not looked at: `buffer[start..end]`.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    read: u64,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
            read: 0,
        })
    }

    /// Sends `request` and reads the whole answer to it; `bodiless` for an answer to HEAD.
    pub(crate) async fn exchange(
        &mut self,
        request: &[u8],
        bodiless: bool,
        bytes: &mut Bytes,
    ) -> Result<Answer, Fault> {
        let sent = self.stream.write_all(request).await;
        if sent.is_ok() {
            bytes.written += request.len() as u64;
        }
        let before = self.read;
        let answer = self.answer(bodiless).await;
        bytes.read += self.read - before;
        match (answer, sent) {
            (Ok(answer), sent) => Ok(Answer {
                // A target may answer a request that it does not read to the end.
                reusable: answer.reusable && sent.is_ok(),
                ..answer
            }),
            (Err(Fault::Closed { untouched, .. }), Err(source)) => {
                Err(Fault::Closed { untouched, source })
            }
            (Err(fault), _) => Err(fault),
        }
    }

    async fn answer(&mut self, bodiless: bool) -> Result<Answer, Fault> {
        let (answer, ending) = loop {
            if let Some((status, reusable, ending)) = self.head(bodiless)? {
                if status >= 200 {
                    break (Answer { status, reusable }, ending);
                }
                // 100 and 103 announce the answer.
            } else {
                self.fill().await?;
            }
        };
        match ending {
            Ending::After(length) => self.skip(length).await?,
            Ending::Chunked => self.skip_chunks().await?,
            Ending::WithTheConnection => self.skip_all().await?,
        }
        if self.start < self.end {
            return Err(Fault::malformed("bytes after the end of the answer"));
        }
        (self.start, self.end) = (0, 0);
        Ok(answer)
    }

    /// Takes the head of an answer out of the buffer: status, whether the connection can go on, how the body ends.
    /// `None` until it is there to its end.
    fn head(&mut self, bodiless: bool) -> Result<Option<(u16, bool, Ending)>, Fault> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let Status::Complete(length) = head
            .parse(&self.buffer[self.start..self.end])
            .map_err(Fault::malformed)?
        else {
            return Ok(None);
        };
        let status = head.code.unwrap_or(0);
        if status == 101 {
            return Err(Fault::malformed("a switch of protocols nobody asked for"));
        }
        let mut reusable = head.version == Some(1);
        let mut content_length = None;
        let mut chunked = false;
        for header in head.headers.iter() {
            if header.name.eq_ignore_ascii_case("content-length") {
                let length = std::str::from_utf8(header.value)
                    .ok()
                    .and_then(|value| value.trim().parse::<u64>().ok())
                    .filter(|length| content_length.is_none_or(|other| other == *length));
                content_length =
                    Some(length.ok_or_else(|| Fault::malformed("an impossible content-length"))?);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = tokens(header.value)
                    .last()
                    .is_some_and(|last| last == "chunked");
                if !chunked {
                    reusable = false;
                }
            } else if header.name.eq_ignore_ascii_case("connection") {
                for token in tokens(header.value) {
                    match token.as_str() {
                        "close" => reusable = false,
                        "keep-alive" => reusable |= head.version == Some(0),
                        _ => {}
                    }
                }
            }
        }
        let ending = if bodiless || status < 200 || status == 204 || status == 304 {
            Ending::After(0)
        } else if chunked {
            Ending::Chunked
        } else if let Some(length) = content_length {
            Ending::After(length)
        } else {
            reusable = false;
            Ending::WithTheConnection
        };
        self.start += length;
        Ok(Some((status, reusable, ending)))
    }

    /// Reads more into the buffer, at least a byte.
    async fn fill(&mut self) -> Result<(), Fault> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            if self.end >= LONGEST_HEAD {
                return Err(Fault::malformed("a head of more than 64 KiB"));
            }
            self.buffer.resize(self.end * 2, 0);
        }
        let untouched = self.end == 0;
        match self.stream.read(&mut self.buffer[self.end..]).await {
            Ok(0) => Err(Fault::Closed {
                untouched,
                source: io::ErrorKind::UnexpectedEof.into(),
            }),
            Ok(count) => {
                self.end += count;
                self.read += count as u64;
                Ok(())
            }
            Err(source) => Err(Fault::Closed { untouched, source }),
        }
    }

    /// Throws `length` bytes away.
    async fn skip(&mut self, mut length: u64) -> Result<(), Fault> {
        loop {
            let here = (self.end - self.start) as u64;
            if here >= length {
                self.start += length as usize;
                return Ok(());
            }
            length -= here;
            (self.start, self.end) = (0, 0);
            self.fill().await.map_err(touched)?;
        }
    }

    async fn skip_chunks(&mut self) -> Result<(), Fault> {
        loop {
            let size = loop {
                match httparse::parse_chunk_size(&self.buffer[self.start..self.end]) {
                    Ok(Status::Complete((length, size))) => {
                        self.start += length;
                        break size;
                    }
                    Ok(Status::Partial) => self.fill().await.map_err(touched)?,
                    Err(_) => return Err(Fault::malformed("an impossible chunk size")),
                }
            };
            if size == 0 {
                return self.skip_trailers().await;
            }
            self.skip(size).await?;
            while self.end - self.start < 2 {
                self.fill().await.map_err(touched)?;
            }
            if self.buffer[self.start..].get(..2) != Some(b"\r\n") {
                return Err(Fault::malformed("a chunk longer than its size"));
            }
            self.start += 2;
        }
    }

    async fn skip_trailers(&mut self) -> Result<(), Fault> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
            match httparse::parse_headers(&self.buffer[self.start..self.end], &mut headers) {
                Ok(Status::Complete((length, _))) => {
                    self.start += length;
                    return Ok(());
                }
                Ok(Status::Partial) => self.fill().await.map_err(touched)?,
                Err(error) => return Err(Fault::malformed(error)),
            }
        }
    }

    async fn skip_all(&mut self) -> Result<(), Fault> {
        loop {
            (self.start, self.end) = (0, 0);
            match self.fill().await {
                Ok(()) => {}
                Err(Fault::Closed { source, .. })
                    if source.kind() == io::ErrorKind::UnexpectedEof =>
                {
                    return Ok(());
                }
                Err(fault) => return Err(touched(fault)),
            }
        }
    }
}

/// After the head of an answer, the end of the connection cuts it off.
fn touched(fault: Fault) -> Fault {
    match fault {
        Fault::Closed { source, .. } => Fault::Closed {
            untouched: false,
            source,
        },
        other => other,
    }
}

/// The parts of a list, in lower case.
fn tokens(value: &[u8]) -> impl Iterator<Item = String> {
    value
        .split(|byte| *byte == b',')
        .map(|token| String::from_utf8_lossy(token).trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Sends a request to a target that answers with `parts`, one write each, and then closes the connection.
    async fn answered(parts: &'static [&'static str], bodiless: bool) -> Result<Answer, Fault> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let target = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("no delay");
            let mut request = [0; 1];
            stream.read_exact(&mut request).await.expect("a request");
            for part in parts {
                stream.write_all(part.as_bytes()).await.expect("a reader");
                tokio::task::yield_now().await;
            }
        });
        let mut connection = Connection::open(address).await.expect("a target");
        let mut bytes = Bytes::default();
        let answer = connection.exchange(b"?", bodiless, &mut bytes).await;
        target.await.expect("the target ends");
        if answer.is_ok() {
            let sent: usize = parts.iter().map(|part| part.len()).sum();
            assert_eq!((bytes.read, bytes.written), (sent as u64, 1));
        }
        answer
    }

    async fn check(parts: &'static [&'static str], status: u16, reusable: bool) {
        let answer = answered(parts, false).await.expect("an answer");
        assert_eq!(answer, Answer { status, reusable }, "{parts:?}");
    }

    /// RFC 9112, section 6: how the length of a body is told.
    #[tokio::test]
    async fn answers_of_every_framing_are_read_to_their_end() {
        check(
            &["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"],
            200,
            true,
        )
        .await;
        check(
            &["HTTP/1.1 200 OK\r\nContent-Len", "gth: 4\r\n\r\nab", "cd"],
            200,
            true,
        )
        .await;
        check(&["HTTP/1.1 204 No Content\r\n\r\n"], 204, true).await;
        check(
            &[
                "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n",
                "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            ],
            404,
            true,
        )
        .await;
        check(
            &[
                "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, Chunked\r\n\r\n",
                "4;x=y\r\nWi",
                "ki\r",
                "\n5\r\npedia\r\n0\r\n",
                "trailer: x\r\n\r\n",
            ],
            200,
            true,
        )
        .await;
        check(
            &["HTTP/1.1 200 OK\r\nconnection: foo, Close\r\ncontent-length: 0\r\n\r\n"],
            200,
            false,
        )
        .await;
        check(
            &["HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n"],
            200,
            false,
        )
        .await;
        check(
            &["HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n"],
            200,
            true,
        )
        .await;
        check(&["HTTP/1.1 200 OK\r\n\r\nuntil ", "the end"], 200, false).await;
        let head = answered(&["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"], true).await;
        assert!(head.expect("an answer").reusable);
    }

    #[tokio::test]
    async fn other_answers_are_faults() {
        for parts in [
            &["SSH-2.0-x\r\n"][..],
            &["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nmore"],
            &["HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n"],
            &["HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"],
            &["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"],
            &["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc"],
            &["HTTP/1.1 101 Switching Protocols\r\n\r\n"],
        ] {
            let fault = answered(parts, false).await.expect_err("no answer");
            assert!(matches!(fault, Fault::Malformed(_)), "{parts:?}: {fault:?}");
        }
        for (parts, expected) in [
            (&[][..], true),
            (&["HTTP/1.1 2"][..], false),
            (&["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"], false),
            (
                &["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n"],
                false,
            ),
        ] {
            match answered(parts, false).await {
                Err(Fault::Closed { untouched, .. }) => {
                    assert_eq!(untouched, expected, "{parts:?}")
                }
                other => panic!("{parts:?}: {other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn an_endless_head_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let target = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await;
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        });
        let mut connection = Connection::open(address).await.expect("a target");
        let fault = connection
            .exchange(b"?", false, &mut Bytes::default())
            .await
            .expect_err("no answer");
        assert!(
            matches!(&fault, Fault::Malformed(reason) if reason.contains("64 KiB")),
            "{fault:?}"
        );
        drop(connection);
        target.await.expect("the target ends");
    }
}
