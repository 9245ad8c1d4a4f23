// An OAuth 2.0 and OpenID Connect server for tests (npm's oidc-provider). One line of JSON on standard input says how.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { readFileSync } from 'node:fs'

const asked = JSON.parse(readFileSync(0, 'utf8'))
const require = createRequire(asked.modules + '/')
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')))

const state = { down: 0, tokenRequests: 0, given: [] }
const grants = new Set()
const provider = new Provider(asked.issuer, {
  clients: [
    {
      client_id: asked.clientId,
      client_secret: asked.clientSecret,
      redirect_uris: asked.redirectUris,
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: asked.authentication,
    },
    {
      client_id: 'mail-server',
      client_secret: 'introspects',
      redirect_uris: [],
      grant_types: [],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_basic',
    },
  ],
  // The account of a person is the mail address that was typed at the login.
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, email: id, email_verified: true }) }),
  claims: { openid: ['sub'], email: ['email', 'email_verified'] },
  scopes: ['openid', 'email', 'offline_access', 'imap'],
  conformIdTokenClaims: asked.addressInUserinfo,
  features: { introspection: { enabled: true }, revocation: { enabled: true }, devInteractions: { enabled: true } },
  pkce: { required: () => true },
  issueRefreshToken: () => true,
  rotateRefreshToken: true,
  ttl: { AccessToken: asked.accessSeconds, RefreshToken: 86400, Grant: 86400, Session: 86400, Interaction: 600, IdToken: 600 },
  cookies: { keys: ['of a test'] },
})
provider.on('refresh_token.saved', (token) => grants.add(token.grantId))
provider.on('grant.success', (ctx) => {
  const said = ctx.body ?? {}
  for (const token of [ctx.oidc.params.code, said.access_token, said.refresh_token]) if (token) state.given.push(token)
})
provider.use(async (ctx, next) => {
  if (ctx.path === '/control') {
    const order = ctx.query.do
    if (order === 'down') state.down = Number(ctx.query.status)
    if (order === 'revoke') {
      for (const id of grants) {
        await provider.RefreshToken.revokeByGrantId(id)
        await provider.AccessToken.revokeByGrantId(id)
      }
    }
    ctx.body = JSON.stringify(state)
    return
  }
  if (ctx.path === '/token') {
    state.tokenRequests += 1
    if (state.down) {
      ctx.status = state.down
      return
    }
  }
  await next()
})
provider.listen(asked.port, '127.0.0.1', () => console.log('listening'))
