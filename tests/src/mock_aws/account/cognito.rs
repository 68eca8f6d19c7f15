//! Cognito: one pool, whose state every operation changes as Cognito does.

use serde_json::{Map, Value, json};

use super::{Account, CREATED, array, invalid, not_found, text};
use crate::mock_aws::model::{self, Operation};
use crate::mock_aws::sample::{CLIENT, KEY_ARN, POOL};
use crate::service::Refusal;

impl Account {
    pub(super) fn cognito(&mut self, name: &str, request: &Value) -> Result<Value, Refusal> {
        if name == "ListUserPools" {
            let mut pool = json!({});
            for name in ["Id", "Name", "LambdaConfig", "LastModifiedDate", "CreationDate"] {
                pool[name] = self.pool[name].clone();
            }
            return Ok(json!({ "UserPools": [pool] }));
        }
        let asked = text(request, "UserPoolId");
        if asked != POOL {
            return Err(not_found(format!("User pool {asked} does not exist.")));
        }
        match name {
            "DescribeUserPool" => Ok(json!({ "UserPool": self.pool })),
            "UpdateUserPool" => {
                self.update_pool(request);
                self.grant();
                Ok(json!({}))
            }
            "DescribeUserPoolClient" => {
                let client = text(request, "ClientId");
                if client == CLIENT {
                    Ok(json!({ "UserPoolClient": self.fixture["client"] }))
                } else {
                    Err(not_found(format!("User pool client {client} does not exist.")))
                }
            }
            "ListUserPoolClients" => {
                let client = &self.fixture["client"];
                let client =
                    json!({ "ClientId": CLIENT, "UserPoolId": POOL, "ClientName": client["ClientName"] });
                Ok(json!({ "UserPoolClients": [client] }))
            }
            "GetLogDeliveryConfiguration" | "SetLogDeliveryConfiguration" => {
                if let Some(configurations) = request.get("LogConfigurations") {
                    self.log_delivery = array(configurations);
                }
                Ok(json!({ "LogDeliveryConfiguration": {
                    "UserPoolId": POOL,
                    "LogConfigurations": self.log_delivery,
                } }))
            }
            "ListUsers" => self.list_users(request),
            _ => self.user_operation(name, request),
        }
    }

    /// Everything that can be set is replaced, and what was left out becomes Cognito's default.
    ///
    /// <https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_UpdateUserPool.html>
    fn update_pool(&mut self, request: &Value) {
        let settable = model::operation("cognito-idp:UpdateUserPool").and_then(Operation::input);
        let settable = settable.into_iter().flat_map(model::Structure::members).map(|member| member.name);
        let mut pool = self.pool.as_object().cloned().unwrap_or_default();
        for name in settable.filter(|&name| name != "UserPoolId" && name != "PoolName") {
            pool.remove(name);
        }
        pool.retain(|name, _| !name.starts_with("Future"));
        if let Some(defaults) = self.fixture["pool defaults"].as_object() {
            pool.extend(defaults.clone());
        }
        for (name, value) in request.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            match name.as_str() {
                "UserPoolId" => {}
                "PoolName" => drop(pool.insert("Name".to_owned(), value.clone())),
                _ => drop(pool.insert(name.clone(), value.clone())),
            }
        }
        pool.insert("LastModifiedDate".to_owned(), json!("2026-11-21T12:00:00Z"));
        self.pool = Value::Object(pool);
    }

    /// Cognito lets itself encrypt codes for the pool, with the caller's permission for the key.
    fn grant(&mut self) {
        if self.pool["LambdaConfig"]["KMSKeyID"] == KEY_ARN && self.grants.is_empty() {
            self.grants = array(&self.fixture["grants"]);
        }
    }

    fn list_users(&self, request: &Value) -> Result<Value, Refusal> {
        let limit = request["Limit"].as_u64().unwrap_or(60);
        let bad = |message: &str| invalid("InvalidParameterException", message);
        let limit =
            usize::try_from(limit).ok().filter(|limit| (1..=60).contains(limit)).ok_or_else(|| {
                bad("1 validation error detected: Value at 'limit' failed to satisfy constraint")
            })?;
        let start = match request.get("PaginationToken").and_then(Value::as_str) {
            None => 0,
            Some(token) => token
                .strip_prefix("page-")
                .and_then(|number| number.parse().ok())
                .ok_or_else(|| bad("Invalid pagination token."))?,
        };
        let filter = text(request, "Filter");
        let found: Vec<&Value> = match filter {
            "" => self.users.iter().collect(),
            filter => {
                let condition = Condition::parse(filter).ok_or_else(|| bad("Error while parsing filter."))?;
                self.users.iter().filter(|user| condition.holds(user)).collect()
            }
        };
        let page: Vec<_> = found.iter().skip(start).take(limit).map(|user| listed(user)).collect();
        let mut answer = json!({ "Users": page });
        if start + limit < found.len() {
            answer["PaginationToken"] = json!(format!("page-{}", start + limit));
        }
        Ok(answer)
    }

    /// The index of a user: by username, `sub` or sign-in attribute.
    fn find_user(&self, name: &str) -> Option<usize> {
        let may = |attribute: &str| {
            ["UsernameAttributes", "AliasAttributes"]
                .into_iter()
                .any(|list| array(&self.pool[list]).contains(&json!(attribute)))
        };
        let aliases = ["email", "phone_number", "preferred_username"];
        let insensitive = self.pool["UsernameConfiguration"]["CaseSensitive"] == false;
        let same = |value: &str| value == name || insensitive && value.eq_ignore_ascii_case(name);
        self.users.iter().position(|user| {
            same(text(user, "Username"))
                || attribute(user, "sub") == Some(name)
                || aliases.into_iter().any(|alias| may(alias) && attribute(user, alias).is_some_and(same))
        })
    }

    fn user_operation(&mut self, name: &str, request: &Value) -> Result<Value, Refusal> {
        let missing = || invalid("UserNotFoundException", "User does not exist.");
        let found = self.find_user(text(request, "Username"));
        if name == "AdminCreateUser" && request["MessageAction"] != "RESEND" {
            let exists = || invalid("UsernameExistsException", "User account already exists");
            return if found.is_some() {
                Err(exists())
            } else {
                Ok(json!({ "User": self.create_user(request) }))
            };
        }
        let number = found.ok_or_else(missing)?;
        if name == "AdminDeleteUser" {
            self.users.remove(number);
            return Ok(json!({}));
        }
        let user = self.users.get_mut(number).ok_or_else(missing)?;
        change_user(user, name, request)
    }

    fn create_user(&mut self, request: &Value) -> Value {
        let sub = format!("3f2a1b0c-4d5e-4f60-8a7b-{:012}", self.users.len());
        let by_address = self.pool.get("UsernameAttributes").is_some();
        let name = if by_address { sub.clone() } else { text(request, "Username").to_owned() };
        let mut user = json!({
            "Username": name,
            "Attributes": [{ "Name": "sub", "Value": sub }],
            "UserCreateDate": CREATED,
            "UserLastModifiedDate": CREATED,
            "Enabled": true,
            "UserStatus": "FORCE_CHANGE_PASSWORD",
        });
        for attribute in array(&request["UserAttributes"]) {
            set_attribute(&mut user, text(&attribute, "Name"), attribute["Value"].as_str());
        }
        self.users.push(user.clone());
        user
    }
}

/// Sets an attribute of a user, or removes it.
pub(in crate::mock_aws) fn set_attribute(user: &mut Value, name: &str, value: Option<&str>) {
    let Some(attributes) = user.get_mut("Attributes").and_then(Value::as_array_mut) else { return };
    attributes.retain(|attribute| attribute["Name"] != name);
    attributes.extend(value.map(|value| json!({ "Name": name, "Value": value })));
}

fn attribute<'a>(user: &'a Value, name: &str) -> Option<&'a str> {
    let attributes = user["Attributes"].as_array()?;
    attributes.iter().find(|attribute| attribute["Name"] == name)?["Value"].as_str()
}

/// A user as `ListUsers` shows one, without what only `AdminGetUser` shows.
fn listed(user: &Value) -> Value {
    let Some(members) = user.as_object() else { return user.clone() };
    let hidden = ["UserMFASettingList", "PreferredMfaSetting"];
    Value::Object(
        members
            .iter()
            .filter(|(name, _)| !hidden.contains(&name.as_str()))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
    )
}

fn change_user(user: &mut Value, name: &str, request: &Value) -> Result<Value, Refusal> {
    let status = text(user, "UserStatus").to_owned();
    let verified = |user: &Value, which: &str| attribute(user, which) == Some("true");
    match name {
        "AdminGetUser" => {
            let mut answer: Map<_, _> = user.as_object().cloned().unwrap_or_default();
            let attributes = answer.remove("Attributes").unwrap_or_default();
            answer.insert("UserAttributes".to_owned(), attributes);
            return Ok(Value::Object(answer));
        }
        "AdminUpdateUserAttributes" => {
            for attribute in array(&request["UserAttributes"]) {
                set_attribute(user, text(&attribute, "Name"), attribute["Value"].as_str());
            }
        }
        "AdminConfirmSignUp" if status != "UNCONFIRMED" => {
            let message = format!("User cannot be confirmed. Current status is {status}");
            return Err(invalid("NotAuthorizedException", message));
        }
        "AdminConfirmSignUp" => user["UserStatus"] = json!("CONFIRMED"),
        "AdminEnableUser" => user["Enabled"] = json!(true),
        "AdminDisableUser" => user["Enabled"] = json!(false),
        "AdminResetUserPassword" if status == "FORCE_CHANGE_PASSWORD" => {
            let message = "User password cannot be reset in the current state.";
            return Err(invalid("NotAuthorizedException", message));
        }
        "AdminResetUserPassword"
            if !verified(user, "email_verified") && !verified(user, "phone_number_verified") =>
        {
            let message =
                "Cannot reset password for the user as there is no registered/verified email or phone_number";
            return Err(invalid("InvalidParameterException", message));
        }
        "AdminResetUserPassword" => user["UserStatus"] = json!("RESET_REQUIRED"),
        "AdminSetUserPassword" => {
            let permanent = request["Permanent"] == true;
            user["UserStatus"] = json!(if permanent { "CONFIRMED" } else { "FORCE_CHANGE_PASSWORD" });
        }
        // AdminCreateUser with RESEND.
        _ if status != "FORCE_CHANGE_PASSWORD" => {
            let message = format!("Resend not possible. {status}");
            return Err(invalid("UnsupportedUserStateException", message));
        }
        _ => return Ok(json!({ "User": listed(user) })),
    }
    Ok(json!({}))
}

/// A filter of `ListUsers`: `email = "ann@example.com"`, or `^=` for the beginning.
struct Condition {
    name: String,
    value: String,
    begins: bool,
}

impl Condition {
    fn parse(filter: &str) -> Option<Self> {
        let (name, value) = filter.split_once('=')?;
        let (name, begins) = match name.strip_suffix('^') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let value = value.trim().strip_prefix('"')?.strip_suffix('"')?;
        let value = value.replace("\\\"", "\"").replace("\\\\", "\\");
        Some(Self { name: name.trim().trim_matches('"').to_owned(), value, begins })
    }

    fn holds(&self, user: &Value) -> bool {
        let enabled = if user["Enabled"] == true { "Enabled" } else { "Disabled" };
        let value = match self.name.as_str() {
            "username" => user["Username"].as_str(),
            "cognito:user_status" => user["UserStatus"].as_str(),
            "status" => Some(enabled),
            name => attribute(user, name),
        };
        value.is_some_and(
            |value| if self.begins { value.starts_with(&self.value) } else { value == self.value },
        )
    }
}
