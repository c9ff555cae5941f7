//! Where a platform wants its servers to listen, as it says in environment variables.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A platform's variable that holds no port.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable `{variable}` is `{value}`; expected a port from 1 to 65535")]
pub struct ListenError {
    variable: &'static str,
    value: String,
}

/// Where to listen when nobody says: the port in `FUNCTIONS_CUSTOMHANDLER_PORT` on the loopback address (Azure Functions,
/// whose host runs on the same machine and is the only one to call), else the port in `PORT` on every address (Cloud Run,
/// Knative and most platforms that run containers); `None` when the environment has neither.
///
/// # Errors
/// [`ListenError`] when the variable that decides holds no port.
pub fn listen_address(
    environment: &BTreeMap<String, String>,
) -> Result<Option<SocketAddr>, ListenError> {
    let places = [
        ("FUNCTIONS_CUSTOMHANDLER_PORT", Ipv4Addr::LOCALHOST),
        ("PORT", Ipv4Addr::UNSPECIFIED),
    ];
    for (variable, address) in places {
        if let Some(value) = environment.get(variable) {
            return match value.parse() {
                Ok(port) if port > 0 => Ok(Some(SocketAddr::new(IpAddr::V4(address), port))),
                _ => Err(ListenError {
                    variable,
                    value: value.clone(),
                }),
            };
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(variables: &[(&str, &str)]) -> Result<Option<SocketAddr>, String> {
        let environment = variables
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        listen_address(&environment).map_err(|error| error.to_string())
    }

    #[test]
    fn platforms_say_where_to_listen() {
        let is = |text: &str| Ok(Some(text.parse().unwrap()));
        assert_eq!(address(&[("HOME", "/")]), Ok(None));
        assert_eq!(address(&[("PORT", "8080")]), is("0.0.0.0:8080"));
        let azure = ("FUNCTIONS_CUSTOMHANDLER_PORT", "34963");
        assert_eq!(address(&[("PORT", "80"), azure]), is("127.0.0.1:34963"));
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for value in ["", "0", "65536", "-1", "8080 ", "http"] {
            assert_eq!(
                address(&[("PORT", value)]),
                Err(format!(
                    "the environment variable `PORT` is `{value}`; expected a port from 1 to 65535"
                ))
            );
        }
    }
}
