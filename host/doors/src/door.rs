//! One interface to every door: what a call wants of the host, and the conversation with the function behind it.

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use hyaline_control::{FunctionName, Qualifier, VersionNumber};

use crate::callee::Callee;
use crate::refusal::Refusal;
use crate::{azure, kserve, lambda, sagemaker};

/// A function, as a request names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Which function.
    pub function: Wanted,
    /// Which version of it.
    pub qualifier: Qualifier,
}

/// Which function a request means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The one of this name.
    Named(FunctionName),
    /// The one called `function` if there is one, else the only one of the host ([`Refusal::NotTheOnly`] if there are
    /// several): what AWS's runtime interface emulator has at its fixed path.
    Only,
}

/// What a request through a door wants of the host.
#[derive(Clone, Debug)]
pub enum Wants {
    /// An answer of a function: find it, admit the call as any other, read the body, then [`Door::open`].
    Function(Target),
    /// The functions of the host: [`Door::list`].
    Functions,
    /// Whether a function would take a call, without calling it: [`Door::done`].
    Readiness(Target),
    /// That a function be loaded before it is called: [`Door::done`].
    Load(Target),
    /// That a function be dropped from memory until it is called again: [`Door::done`]. It takes away no function.
    Unload(Target),
    /// Nothing: the answer is already known.
    Answer(Response<Bytes>),
}

/// A function in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub function: FunctionName,
    /// The version that `live` leads to, the heaviest where there are several.
    pub version: VersionNumber,
    /// `None` when it takes calls; else why not.
    pub closed: Option<String>,
}

/// A request that another platform's client made.
#[derive(Clone, Debug)]
pub struct Door(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Lambda(lambda::Invocation),
    SageMaker(sagemaker::Invocation),
    Kserve(kserve::Question),
    Azure(azure::Invocation),
}

impl Door {
    /// The door that the path of `head` belongs to; `None` when it belongs to none and is the host's own business.
    ///
    /// Azure's custom handler calls `/{function}`, which a route of the host may mean, too: that door is found only for
    /// requests that bear the header of Azure's host.
    pub fn find(head: &Parts) -> Option<Door> {
        let segments = crate::uri::segments(head.uri.path())?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        lambda::Invocation::find(head, &segments)
            .map(Kind::Lambda)
            .or_else(|| sagemaker::Invocation::find(head, &segments).map(Kind::SageMaker))
            .or_else(|| kserve::Question::find(head, &segments).map(Kind::Kserve))
            .or_else(|| azure::Invocation::find(head, &segments).map(Kind::Azure))
            .map(Door)
    }

    /// The platform whose door this is, in one word, for metrics and logs.
    pub fn platform(&self) -> &'static str {
        match self.0 {
            Kind::Lambda(_) => "lambda",
            Kind::SageMaker(_) => "sagemaker",
            Kind::Kserve(_) => "kserve",
            Kind::Azure(_) => "azure",
        }
    }

    /// What the request wants.
    ///
    /// # Errors
    /// A [`Refusal`] when it names what no host can have; the answer is [`Door::refuse`]'s.
    pub fn wants(&self) -> Result<Wants, Refusal> {
        match &self.0 {
            Kind::Lambda(door) => door.wants(),
            Kind::SageMaker(door) => door.wants(),
            Kind::Kserve(door) => door.wants(),
            Kind::Azure(door) => door.wants(),
        }
    }

    /// A refusal in the platform's shape.
    pub fn refuse(&self, refusal: &Refusal, request_id: &str) -> Response<Bytes> {
        match &self.0 {
            Kind::Lambda(door) => door.refuse(refusal, request_id),
            Kind::SageMaker(_) => sagemaker::refuse(refusal, request_id),
            Kind::Kserve(_) => kserve::refuse(refusal),
            Kind::Azure(_) => azure::refuse(refusal),
        }
    }

    /// Begins the conversation with the function that was wanted. `request_id` names this call in logs and answers.
    pub fn open(
        self,
        head: &Parts,
        body: Bytes,
        callee: &Callee,
        request_id: &str,
    ) -> (Call, Step) {
        let (call, step) = match self.0 {
            Kind::Lambda(door) => {
                let (call, step) = door.open(head, body, callee, request_id);
                (Talk::Lambda(call), step)
            }
            Kind::SageMaker(door) => {
                let (call, step) = door.open(head, body, callee, request_id);
                (Talk::SageMaker(Box::new(call)), step)
            }
            Kind::Kserve(door) => {
                let (call, step) = door.open(head, body, callee);
                (Talk::Kserve(call), step)
            }
            Kind::Azure(door) => {
                let (call, step) = door.open(body);
                (Talk::Azure(call), step)
            }
        };
        (Call(call), step)
    }

    /// The answer to [`Wants::Functions`]. `body` is the request's.
    pub fn list(&self, body: &Bytes, functions: &[Listed]) -> Response<Bytes> {
        match &self.0 {
            Kind::Kserve(door) => door.list(body, functions),
            _ => unreachable!("only KServe's door asks for the functions"),
        }
    }

    /// The answer to [`Wants::Readiness`], [`Wants::Load`] and [`Wants::Unload`]: it is ready, or done, or why not.
    pub fn done(&self, result: Result<(), &Refusal>) -> Response<Bytes> {
        match &self.0 {
            Kind::Kserve(door) => door.done(result),
            _ => unreachable!("only KServe's door asks for readiness"),
        }
    }
}

/// What a call does next.
#[derive(Debug)]
pub enum Step {
    /// Send this to the function, and go on with what becomes of it. The path is the function's own.
    Invoke(Request<Bytes>),
    /// Answer this. The call is over.
    Answer(Response<Bytes>),
    /// Answer `answer` as soon as `request` has a place to wait in; send it when there is room, and tell nobody what
    /// becomes of it. Without such a place, [`Door::refuse`] it. The call is over.
    Detach {
        /// For the function.
        request: Request<Bytes>,
        /// For the caller.
        answer: Response<Bytes>,
    },
}

/// What became of one invocation.
#[derive(Debug)]
pub struct Outcome {
    /// The function's answer, whatever its status; or why there is none.
    pub result: Result<Response<Bytes>, Refusal>,
    /// What it left in the log.
    pub log: Log,
}

/// What an invocation left in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// What the function wrote to its standard output and standard error; the end of it suffices.
    pub said: Bytes,
    /// The host's `REPORT` line, without a line break. Empty when nothing ran.
    pub report: String,
}

/// A call through a door, under way. Dropping it ends the conversation.
#[derive(Debug)]
pub struct Call(Talk);

#[derive(Debug)]
enum Talk {
    Lambda(lambda::Call),
    SageMaker(Box<sagemaker::Call>),
    Kserve(kserve::Call),
    Azure(azure::Call),
}

impl Call {
    /// Goes on after a [`Step::Invoke`].
    pub fn next(&mut self, outcome: Outcome) -> Step {
        match &mut self.0 {
            Talk::Lambda(call) => Step::Answer(call.answer(outcome)),
            Talk::SageMaker(call) => call.next(outcome),
            Talk::Kserve(call) => Step::Answer(call.answer(outcome)),
            Talk::Azure(call) => Step::Answer(call.answer(outcome)),
        }
    }
}

/// 405 with the methods that the path takes.
pub(crate) fn wrong_method(
    allow: &'static str,
    shape: impl FnOnce(StatusCode, String) -> Response<Bytes>,
) -> Wants {
    let mut answer = shape(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("this path takes {allow} only"),
    );
    answer
        .headers_mut()
        .insert(http::header::ALLOW, http::HeaderValue::from_static(allow));
    Wants::Answer(answer)
}
