//! Who calls: nobody, the App, one of its installations, or a person; and what they may do.
//!
//! A repository that the caller cannot see does not exist for it: 404, never 403.

use crate::answer::Refusal;
use crate::jwt;
use crate::state::{Repo, Role, State, Token};
use crate::text;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode, header};

/// The caller of one request.
#[derive(Clone, Debug)]
pub(crate) enum Actor {
    Anonymous,
    App,
    Installation { secret: String, token: Token },
    Person(u64),
}

/// A permission of the App and its level, `read` or `write`.
pub(crate) type Need = (&'static str, &'static str);

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Gate {
    /// Anyone.
    Open,
    /// The App itself, by JWT.
    App,
    /// An installation token.
    Installation,
    /// A person.
    Person,
    /// An installation with any one of these permissions, or a person of at least this role.
    Repo(&'static [Need], Role),
    /// Only an installation; people are refused.
    RepoApp(&'static [Need]),
    /// An installation with any one of these permissions, or anybody else, outside of repositories.
    Org(&'static [Need]),
}

impl Actor {
    /// The account that an action of this caller shows.
    pub(crate) fn account(&self, state: &State) -> Option<u64> {
        match self {
            Self::Anonymous => None,
            Self::App | Self::Installation { .. } => state.app.as_ref().map(|app| app.bot),
            Self::Person(id) => Some(*id),
        }
    }

    pub(crate) fn is_installation(&self) -> bool {
        matches!(self, Self::Installation { .. })
    }

    /// A short word for the logs; never a secret.
    pub(crate) fn label(&self, state: &State) -> String {
        match self {
            Self::Anonymous => "anonymous".into(),
            Self::App => "app".into(),
            Self::Installation { token, .. } => format!("installation:{}", token.installation),
            Self::Person(id) => state.login(*id).to_owned(),
        }
    }

    /// Whom calls are counted for.
    pub(crate) fn counted_as(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".into(),
            Self::App => "app".into(),
            Self::Installation { token, .. } => format!("installation:{}", token.installation),
            Self::Person(id) => format!("person:{id}"),
        }
    }

    /// The role in a repository as far as this caller can act there.
    pub(crate) fn role(&self, state: &State, repo: &Repo) -> Role {
        match self {
            Self::Anonymous | Self::App => state.role(repo, None),
            Self::Person(id) => state.role(repo, Some(*id)),
            Self::Installation { token, .. } => match token.permissions.get("contents") {
                Some(level) if level == "write" => Role::Write,
                Some(_) | None => Role::Read,
            },
        }
    }
}

/// Finds the caller of a request.
///
/// Errors: 401 for credentials that are wrong or over.
pub(crate) fn authenticate(state: &State, headers: &HeaderMap) -> Result<Actor, Refusal> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(Actor::Anonymous);
    };
    let value = value.to_str().map_err(|_| Refusal::bad_credentials())?;
    let (scheme, rest) = value.split_once(' ').ok_or_else(Refusal::bad_credentials)?;
    let rest = rest.trim();
    let secret = match scheme.to_ascii_lowercase().as_str() {
        "bearer" | "token" => rest.to_owned(),
        "basic" => basic_secret(rest).ok_or_else(Refusal::bad_credentials)?,
        _ => return Err(Refusal::bad_credentials()),
    };
    if jwt::looks_like_jwt(&secret) {
        return app_actor(state, &secret);
    }
    actor_of_secret(state, &secret)
}

/// Finds the caller behind a personal or installation token.
pub(crate) fn actor_of_secret(state: &State, secret: &str) -> Result<Actor, Refusal> {
    if let Some(id) = state.people_tokens.get(secret) {
        return Ok(Actor::Person(*id));
    }
    let token = state
        .tokens
        .get(secret)
        .filter(|token| token.expires > text::now())
        .ok_or_else(Refusal::bad_credentials)?;
    let installation = state
        .installations
        .get(&token.installation)
        .ok_or_else(Refusal::bad_credentials)?;
    if installation.suspended.is_some() {
        return Err(Refusal::forbidden("This installation has been suspended"));
    }
    Ok(Actor::Installation {
        secret: secret.to_owned(),
        token: token.clone(),
    })
}

/// The password of a Basic header, or the user name when there is no password.
pub(crate) fn basic_secret(encoded: &str) -> Option<String> {
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    let secret = if password.is_empty() || password == "x-oauth-basic" {
        user
    } else {
        password
    };
    Some(secret.to_owned())
}

fn app_actor(state: &State, secret: &str) -> Result<Actor, Refusal> {
    let refuse = |message: &str| Refusal::new(StatusCode::UNAUTHORIZED, message);
    let app = state.app.as_ref().ok_or_else(|| refuse(jwt::UNDECODABLE))?;
    let expected = jwt::Expected {
        app_id: app.id,
        client_id: &app.client_id,
        public_key_pem: &app.public_key,
        now: text::now(),
    };
    jwt::verify(secret, &expected).map_err(refuse)?;
    Ok(Actor::App)
}

/// Checks a route's gate for routes outside of repositories.
pub(crate) fn check_plain(gate: Gate, actor: &Actor) -> Result<(), Refusal> {
    match gate {
        Gate::Open => Ok(()),
        Gate::App => match actor {
            Actor::App => Ok(()),
            Actor::Anonymous | Actor::Installation { .. } | Actor::Person(_) => {
                Err(Refusal::new(StatusCode::UNAUTHORIZED, jwt::UNDECODABLE))
            }
        },
        Gate::Installation => match actor {
            Actor::Installation { .. } => Ok(()),
            Actor::Anonymous => Err(requires_authentication()),
            Actor::App | Actor::Person(_) => Err(Refusal::forbidden(
                "You must authenticate with an installation access token in order to use this endpoint.",
            )),
        },
        Gate::Person => match actor {
            Actor::Person(_) => Ok(()),
            Actor::Anonymous => Err(requires_authentication()),
            Actor::App | Actor::Installation { .. } => Err(not_accessible()),
        },
        Gate::Org(needs) => match actor {
            Actor::Installation { token, .. } if !needs.iter().any(|need| token.grants(*need)) => {
                Err(not_accessible())
            }
            Actor::Anonymous | Actor::App | Actor::Installation { .. } | Actor::Person(_) => Ok(()),
        },
        Gate::Repo(..) | Gate::RepoApp(_) => Ok(()),
    }
}

/// Checks a route's gate for a repository.
pub(crate) fn check_repo(
    gate: Gate,
    state: &State,
    actor: &Actor,
    repo: &Repo,
) -> Result<(), Refusal> {
    match actor {
        Actor::Installation { token, .. } => check_installation(gate, state, token, repo),
        Actor::App => match gate {
            Gate::App => Ok(()),
            Gate::Open
            | Gate::Installation
            | Gate::Person
            | Gate::Repo(..)
            | Gate::RepoApp(_)
            | Gate::Org(_) => Err(Refusal::new(StatusCode::UNAUTHORIZED, jwt::UNDECODABLE)),
        },
        Actor::Anonymous | Actor::Person(_) => check_person(gate, state, actor, repo),
    }
}

fn check_installation(
    gate: Gate,
    state: &State,
    token: &Token,
    repo: &Repo,
) -> Result<(), Refusal> {
    if !token_reaches(state, token, repo) {
        return Err(Refusal::not_found());
    }
    let needs = match gate {
        Gate::Repo(needs, _) | Gate::RepoApp(needs) | Gate::Org(needs) => needs,
        Gate::Open | Gate::Installation => return Ok(()),
        Gate::App | Gate::Person => return Err(not_accessible()),
    };
    if needs.iter().any(|need| token.grants(*need)) {
        return Ok(());
    }
    Err(not_accessible())
}

fn check_person(gate: Gate, state: &State, actor: &Actor, repo: &Repo) -> Result<(), Refusal> {
    let role = actor.role(state, repo);
    if role < Role::Read {
        return Err(Refusal::not_found());
    }
    match gate {
        Gate::Open | Gate::Org(_) => Ok(()),
        Gate::Repo(_, needed) if role >= needed => match actor {
            Actor::Anonymous if needed > Role::Read => Err(requires_authentication()),
            Actor::Anonymous | Actor::App | Actor::Installation { .. } | Actor::Person(_) => Ok(()),
        },
        Gate::Repo(_, needed) => match (actor, needed) {
            (Actor::Anonymous, _) => Err(requires_authentication()),
            (_, Role::Admin) => Err(Refusal::forbidden("Must have admin rights to Repository.")),
            (_, Role::None | Role::Read | Role::Triage | Role::Write | Role::Maintain) => {
                Err(Refusal::forbidden("Must have push access to Repository."))
            }
        },
        Gate::RepoApp(_) => Err(Refusal::forbidden(
            "You must authenticate via a GitHub App.",
        )),
        Gate::App => Err(Refusal::new(StatusCode::UNAUTHORIZED, jwt::UNDECODABLE)),
        Gate::Installation => Err(not_accessible()),
        Gate::Person => match actor {
            Actor::Anonymous => Err(requires_authentication()),
            Actor::App | Actor::Installation { .. } | Actor::Person(_) => Ok(()),
        },
    }
}

/// Tells whether a token may see a repository at all.
pub(crate) fn token_reaches(state: &State, token: &Token, repo: &Repo) -> bool {
    let by_installation = state
        .installations
        .get(&token.installation)
        .is_some_and(|installation| installation.reaches(repo));
    by_installation
        && token
            .repos
            .as_ref()
            .is_none_or(|chosen| chosen.contains(&repo.id))
}

impl Token {
    /// Tells whether the token has a permission at this level or above.
    pub(crate) fn grants(&self, need: Need) -> bool {
        let (name, level) = need;
        if name == "metadata" {
            return true;
        }
        self.permissions
            .get(name)
            .is_some_and(|granted| rank(granted) >= rank(level))
    }
}

/// The order of levels.
pub(crate) fn rank(level: &str) -> u8 {
    match level {
        "read" => 1,
        "write" => 2,
        "admin" => 3,
        _ => 0,
    }
}

pub(crate) fn not_accessible() -> Refusal {
    Refusal::forbidden("Resource not accessible by integration")
}

pub(crate) fn requires_authentication() -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, "Requires authentication")
}
