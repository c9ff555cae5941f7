//! Which function a request through a door means.

use std::sync::Arc;

use http::request::Parts;
use hyaline_control::{AliasName, FunctionName};
use hyaline_doors::{Listed, Refusal as ForeignRefusal, Target, Wanted};
use hyaline_gateway::CallerKind;
use hyaline_telemetry::Rejection;
use jiff::Timestamp;

use super::refused::Refused;
use super::{Foreign, Service};
use crate::platform::{Live, Slot};

impl Service {
    pub(super) fn wanted(&self, target: &Target) -> Result<Arc<Live>, Refused> {
        let view = self.platform.view();
        let found = match &target.function {
            Wanted::Named(name) => {
                view.function(name)
                    .cloned()
                    .ok_or_else(|| ForeignRefusal::UnknownFunction {
                        function: name.to_string(),
                    })
            }
            Wanted::Only => {
                let default = FunctionName::new("function").expect("a constant name is sound");
                let mut all = view.functions();
                match (view.function(&default), all.next(), view.len()) {
                    (Some(live), _, _) | (None, Some(live), 1) => Ok(live.clone()),
                    (None, _, count) => Err(ForeignRefusal::NotTheOnly { count }),
                }
            }
        };
        found.map_err(|refusal| {
            self.platform.telemetry().rejected(Rejection::NotFound);
            Refused::from(refusal)
        })
    }

    /// The versions that somebody wants loaded or unloaded, who is either known or at this machine.
    pub(super) async fn operated(
        &self,
        target: &Target,
        request: &Foreign<'_>,
    ) -> Result<(Arc<Live>, Vec<Arc<Slot>>), Refused> {
        let live = self.wanted(target)?;
        let headers = &request.head.headers;
        let allowed = self
            .allowed(&live, headers, &target.qualifier, request.now)
            .await;
        let (caller, slots) =
            allowed.map_err(|refusal| Refused::of(refusal, &live, &target.qualifier))?;
        let is_here = request.peer.client.ip().to_canonical().is_loopback();
        if caller.kind() != CallerKind::Key && !is_here {
            return Err(Refused::from(ForeignRefusal::Unauthenticated));
        }
        Ok((live, slots))
    }

    /// The functions that the caller may call.
    pub(super) fn listed(&self, head: &Parts, now: Timestamp) -> Vec<Listed> {
        let view = self.platform.view();
        let mut listed: Vec<Listed> = view
            .functions()
            .filter(|live| {
                live.rules
                    .gate
                    .admit(self.platform.keys(), &head.headers, live.name(), now)
                    .is_ok()
            })
            .filter_map(|live| {
                let traffic = live.traffic(&AliasName::live())?;
                let share = traffic.shares().iter().max_by_key(|share| share.weight)?;
                Some(Listed {
                    function: live.name().clone(),
                    version: share.version,
                    closed: (!live.function().is_enabled())
                        .then(|| "the function is disabled".into()),
                })
            })
            .collect();
        listed.sort_by(|left, right| left.function.cmp(&right.function));
        listed
    }
}
