"""How the pages look on which people connect their mailboxes: like all pages that recipients see."""

STYLE = """
:root { color-scheme: light dark;
  --ground: #f4f5f7; --card: #fff; --ink: #1b1f24; --soft: #59636e; --line: #d8dde3; --field: #8a939d;
  --go: #0b57d0; --on: #fff; --bad: #b3261e; --bad-ground: #fdeceb }
@media (prefers-color-scheme: dark) { :root {
  --ground: #14171a; --card: #1d2125; --ink: #e7eaed; --soft: #9aa4ae; --line: #333a41; --field: #77828d;
  --go: #8ab4f8; --on: #10233f; --bad: #f2b8b5; --bad-ground: #3a2322 } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem;
  background: var(--ground); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif }
main { width: 100%; max-width: 28rem; padding: clamp(1.25rem, 5vw, 2.25rem);
  background: var(--card); border: 1px solid var(--line); border-radius: .9rem }
h1 { margin: 0 0 .6rem; font-size: 1.4rem; line-height: 1.25; text-wrap: balance }
p { margin: 0 0 1rem; overflow-wrap: anywhere }
p:last-child { margin-bottom: 0 }
.soft { color: var(--soft); font-size: .9rem }
.bad { padding: .7rem .9rem; border-left: .25rem solid var(--bad); border-radius: .35rem;
  background: var(--bad-ground) }
form { margin: 1.25rem 0 1rem }
label { display: block; margin: 0 0 .3rem; font-weight: 600; font-size: .95rem }
.field { margin: 0 0 1rem }
.two { display: grid; grid-template-columns: 1fr 6rem; gap: 0 .75rem }
input, select { width: 100%; min-height: 2.75rem; padding: .55rem .7rem; border: 1px solid var(--field);
  border-radius: .5rem; background: var(--card); color: var(--ink); font: inherit }
input[aria-invalid=true] { border-color: var(--bad) }
details { margin: 0 0 1.25rem; border: 1px solid var(--line); border-radius: .55rem; padding: .6rem .9rem }
details[open] { padding-bottom: .2rem }
summary { cursor: pointer; font-weight: 600; font-size: .95rem }
details p { margin: .6rem 0 }
fieldset { margin: .8rem 0 0; padding: 0; border: 0 }
legend { padding: 0; margin: 0 0 .4rem; font-weight: 600; color: var(--soft); font-size: .9rem }
button, a.button { display: block; width: 100%; padding: .8rem 1rem; border: 1px solid var(--go); border-radius: .55rem;
  background: var(--go); color: var(--on); font: inherit; font-weight: 600; cursor: pointer; text-align: center;
  text-decoration: none }
button:focus-visible, a:focus-visible, summary:focus-visible, input:focus-visible, select:focus-visible {
  outline: 3px solid var(--go); outline-offset: 2px }
a { color: var(--go) }
"""
