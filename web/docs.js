// Shows openapi.json by Swagger UI, and sends the access token of the last login with each call, so that a reader need not copy it.
"use strict";

function followColorScheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", apply);
  apply();
}

function showLogin(text) {
  document.getElementById("login-state").textContent = text;
}

// Of a call that was made on this page.
function keepToken(ui, response) {
  const path = new URL(response.url, location.href).pathname;
  const token = response.ok && response.obj && response.obj.access_token;
  if (typeof token === "string") {
    ui.preauthorizeApiKey("bearer", token);
    showLogin("you are logged in");
  } else if (response.status === 204 && path.endsWith("/auth/logout")) {
    ui.authActions.logout(["bearer"]);
    showLogin("nobody is logged in");
  }
  return response;
}

async function showApi() {
  const response = await fetch("openapi.json");
  if (!response.ok) throw new Error(`openapi.json is answered ${response.status}`);
  const spec = await response.json();
  // the service that this page came from, below whatever prefix a proxy has put it
  spec.servers = [{ url: new URL(".", location.href).pathname.replace(/\/$/, "") || "/" }];
  // Swagger UI fills examples in and sends them: a key that everybody sends, or the version of something else
  const own = Object.values(spec.paths).flatMap((path) => Object.values(path).flatMap((operation) => operation.parameters ?? []));
  for (const parameter of [...Object.values(spec.components.parameters), ...own])
    if (parameter.in === "header") delete parameter.example;
  // without a refresh token the session of the login on this page ends, and not, silently, none
  spec.paths["/auth/logout"].post.requestBody.content["application/json"].example = {};
  const ui = SwaggerUIBundle({
    spec,
    dom_id: "#swagger",
    tryItOutEnabled: true,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
    responseInterceptor: (reply) => keepToken(ui, reply),
  });
}

// Before Swagger UI is loaded: its scroller, which would take the links within this page over from the browser, leaves them alone.
window.noZensmooth = true;
followColorScheme();
addEventListener("DOMContentLoaded", () =>
  showApi().catch((error) => {
    document.getElementById("swagger").textContent = `The API cannot be shown: ${error.message}.`;
  }),
);
