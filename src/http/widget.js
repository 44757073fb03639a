// Puts the chat on another site's page:
//   <script src="…/chat/widget.js" data-language="pt" data-identity="signed token" async></script>
// data-name, data-address: what the visitor told the site (not believed without a token); data-label: the button's text.
'use strict';
(() => {
  const script = document.currentScript;
  if (!script || window.guichetWidget) return;
  window.guichetWidget = true;
  const page = new URL('./', script.src);
  const LABELS = {
    en: 'Chat with us', pt: 'Fale conosco', et: 'Kirjutage meile', es: 'Escríbanos', de: 'Schreiben Sie uns', fr: 'Écrivez-nous',
  };
  const language = (script.dataset.language || document.documentElement.lang || navigator.language || 'en').toLowerCase();
  const label = script.dataset.label || LABELS[language.split(/[-_]/)[0]] || LABELS.en;

  // Set one by one: a page whose policy forbids style attributes allows this.
  const dress = (element, style) => Object.assign(element.style, style);
  let frame = null;

  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = label;
  button.setAttribute('aria-expanded', 'false');
  dress(button, {
    position: 'fixed', right: '20px', bottom: '20px', zIndex: '2147483000', padding: '12px 20px', border: '0', borderRadius: '24px',
    background: '#0b5f8a', color: '#ffffff', font: '600 16px/1.2 system-ui, sans-serif', cursor: 'pointer', boxShadow: '0 4px 16px rgba(0,0,0,.25)',
  });

  function build() {
    frame = document.createElement('iframe');
    frame.title = label;
    frame.src = page.href;
    frame.hidden = true;
    dress(frame, {
      position: 'fixed', right: '20px', bottom: '80px', zIndex: '2147483000', width: 'min(400px, calc(100vw - 40px))',
      height: 'min(620px, calc(100vh - 110px))', border: '1px solid rgba(0,0,0,.2)', borderRadius: '14px', boxShadow: '0 8px 32px rgba(0,0,0,.25)',
    });
    document.body.append(frame);
  }

  function show(open) {
    if (!frame) build();
    frame.hidden = !open;
    button.setAttribute('aria-expanded', String(open));
    if (open) frame.focus();
    else button.focus();
  }

  button.addEventListener('click', () => show(!frame || frame.hidden));
  window.addEventListener('message', (event) => {
    if (!frame || event.source !== frame.contentWindow || event.origin !== page.origin || !event.data) return;
    if (event.data.guichet === 'close') show(false);
    if (event.data.guichet === 'ready') {
      const { identity, name, address } = script.dataset;
      frame.contentWindow.postMessage({ guichet: 'visitor', identity, name, address, language }, page.origin);
    }
  });

  const add = () => document.body.append(button);
  if (document.body) add();
  else document.addEventListener('DOMContentLoaded', add);
})();
