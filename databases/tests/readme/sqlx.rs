use oubliette::personal::{Canonical, Email};
use oubliette::{CustomerId, Field, Index, Purpose, Sealed, Token, UnlessShredded, Vault, bits};
use sqlx::PgPool;

const ORDERS: Purpose = Purpose::new("orders");
const EMAIL: Field<Email> = ORDERS.field("email");
const BY_EMAIL: Index<Email> = EMAIL.index("exact", bits(32));

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

// CREATE TABLE customers (no BIGINT PRIMARY KEY, email BYTEA NOT NULL, email_idx BYTEA)
#[derive(sqlx::FromRow)]
struct Customer {
    no: CustomerId,
    email: Sealed<Email>,
}

async fn register(vault: &Vault, db: &PgPool, email: &Email) -> Result<CustomerId> {
    let no = vault.enroll()?;
    let insert = sqlx::query("INSERT INTO customers (no, email, email_idx) VALUES ($1, $2, $3)");
    let insert = insert.bind(no).bind(vault.seal(no, EMAIL, email)?).bind(vault.token(BY_EMAIL, email)?);
    insert.execute(db).await?;
    Ok(no)
}

async fn find(vault: &Vault, db: &PgPool, email: &Email) -> Result<Option<CustomerId>> {
    let tokens = vault.tokens(BY_EMAIL, email)?;
    let tokens: Vec<&[u8]> = tokens.iter().map(Token::as_bytes).collect();
    let select = sqlx::query_as("SELECT no, email FROM customers WHERE email_idx = ANY($1)");
    let rows: Vec<Customer> = select.bind(tokens).fetch_all(db).await?;
    for row in rows {
        let found = vault.open(row.no, EMAIL, &row.email).unless_shredded()?;
        // Some tokens match by chance.
        if found.is_some_and(|found| found.canonical_form() == email.canonical_form()) {
            return Ok(Some(row.no));
        }
    }
    Ok(None)
}

async fn forget(vault: &Vault, db: &PgPool, no: CustomerId) -> Result<()> {
    let _ = vault.shredding([no]).start().await?; // every copy, in every backup
    sqlx::query("DELETE FROM customers WHERE no = $1").bind(no).execute(db).await?;
    Ok(())
}
