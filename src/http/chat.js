// The chat window. Texts go into the page as text only. What the visitor writes waits here, under its own id, until the
// desk has said that it is durable; until then it is sent again on every new connection, and the desk knows the id.
'use strict';
(() => {
  const WORDS = {
    en: {
      connecting: 'Connecting…', open: 'Connected', away: 'No connection, trying again…', idle: 'Paused: write to go on',
      greeting: 'Write to us here. A person will answer.', text: 'Your message', placeholder: 'Write a message…', send: 'Send',
      keys: 'Enter sends, Shift+Enter starts a new line.',
      who: 'Your name and e-mail (optional: we can then also answer by mail)', name: 'Name', address: 'E-mail', save: 'Save',
      badAddress: 'This is not an e-mail address.', badIdentity: 'Your sign-in has expired; you write as a guest.',
      you: 'You', desk: 'Help desk', sending: 'being sent', sent: 'received by the help desk', failed: 'not sent',
      tooLong: 'The message is too long. Please shorten it.', slowDown: 'Many messages: the rest is sent in a moment.',
      notTaken: 'The message could not be sent.', typing: (n) => `${n} is writing…`, someone: 'Somebody',
      end: 'End chat', ended: 'The conversation has ended.', ticket: (n) => `The conversation has ended. Its number is #${n}.`,
      rate: 'How content are you with the help? (1: not at all, 5: very)', thanks: 'Thank you!', again: 'New conversation',
    },
    pt: {
      connecting: 'Conectando…', open: 'Conectado', away: 'Sem conexão, tentando de novo…', idle: 'Em pausa: escreva para continuar',
      greeting: 'Escreva para nós aqui. Uma pessoa vai responder.', text: 'Sua mensagem', placeholder: 'Escreva uma mensagem…', send: 'Enviar',
      keys: 'Enter envia, Shift+Enter começa uma nova linha.',
      who: 'Seu nome e e-mail (opcional: assim também podemos responder por e-mail)', name: 'Nome', address: 'E-mail', save: 'Salvar',
      badAddress: 'Este não é um endereço de e-mail.', badIdentity: 'Sua identificação expirou; você escreve como visitante.',
      you: 'Você', desk: 'Atendimento', sending: 'sendo enviada', sent: 'recebida pelo atendimento', failed: 'não enviada',
      tooLong: 'A mensagem é longa demais. Por favor, encurte-a.', slowDown: 'Muitas mensagens: o resto será enviado em instantes.',
      notTaken: 'Não foi possível enviar a mensagem.', typing: (n) => `${n} está escrevendo…`, someone: 'Alguém',
      end: 'Encerrar', ended: 'A conversa foi encerrada.', ticket: (n) => `A conversa foi encerrada. O número dela é #${n}.`,
      rate: 'Qual a sua satisfação com o atendimento? (1: nenhuma, 5: muita)', thanks: 'Obrigado!', again: 'Nova conversa',
    },
    et: {
      connecting: 'Ühendan…', open: 'Ühendatud', away: 'Ühendust ei ole, proovin uuesti…', idle: 'Pausil: jätkamiseks kirjutage',
      greeting: 'Kirjutage meile siin. Teile vastab inimene.', text: 'Teie sõnum', placeholder: 'Kirjutage sõnum…', send: 'Saada',
      keys: 'Enter saadab, Shift+Enter alustab uut rida.',
      who: 'Teie nimi ja e-post (soovi korral: siis saame vastata ka kirjaga)', name: 'Nimi', address: 'E-post', save: 'Salvesta',
      badAddress: 'See ei ole e-posti aadress.', badIdentity: 'Teie sisselogimine on aegunud; kirjutate külalisena.',
      you: 'Teie', desk: 'Klienditugi', sending: 'saatmisel', sent: 'klienditugi on kätte saanud', failed: 'saatmata',
      tooLong: 'Sõnum on liiga pikk. Palun lühendage seda.', slowDown: 'Palju sõnumeid: ülejäänud saadetakse hetke pärast.',
      notTaken: 'Sõnumit ei õnnestunud saata.', typing: (n) => `${n} kirjutab…`, someone: 'Keegi',
      end: 'Lõpeta vestlus', ended: 'Vestlus on lõppenud.', ticket: (n) => `Vestlus on lõppenud. Selle number on #${n}.`,
      rate: 'Kui rahul te abiga olete? (1: üldse mitte, 5: väga)', thanks: 'Aitäh!', again: 'Uus vestlus',
    },
    es: {
      connecting: 'Conectando…', open: 'Conectado', away: 'Sin conexión, intentándolo de nuevo…', idle: 'En pausa: escriba para continuar',
      greeting: 'Escríbanos aquí. Le responderá una persona.', text: 'Su mensaje', placeholder: 'Escriba un mensaje…', send: 'Enviar',
      keys: 'Intro envía, Mayús+Intro empieza una línea nueva.',
      who: 'Su nombre y correo (opcional: así también podremos responderle por correo)', name: 'Nombre', address: 'Correo', save: 'Guardar',
      badAddress: 'Esto no es una dirección de correo.', badIdentity: 'Su identificación ha caducado; escribe como visitante.',
      you: 'Usted', desk: 'Atención al cliente', sending: 'enviándose', sent: 'recibido por atención al cliente', failed: 'no enviado',
      tooLong: 'El mensaje es demasiado largo. Por favor, acórtelo.', slowDown: 'Muchos mensajes: el resto se enviará enseguida.',
      notTaken: 'No se ha podido enviar el mensaje.', typing: (n) => `${n} está escribiendo…`, someone: 'Alguien',
      end: 'Terminar', ended: 'La conversación ha terminado.', ticket: (n) => `La conversación ha terminado. Su número es #${n}.`,
      rate: '¿Qué tal ha sido la atención? (1: muy mala, 5: muy buena)', thanks: '¡Gracias!', again: 'Nueva conversación',
    },
    de: {
      connecting: 'Verbinde…', open: 'Verbunden', away: 'Keine Verbindung, neuer Versuch…', idle: 'Pausiert: Schreiben Sie, um fortzufahren',
      greeting: 'Schreiben Sie uns hier. Ein Mensch antwortet Ihnen.', text: 'Ihre Nachricht', placeholder: 'Nachricht schreiben…', send: 'Senden',
      keys: 'Enter sendet, Umschalt+Enter beginnt eine neue Zeile.',
      who: 'Ihr Name und Ihre E-Mail-Adresse (freiwillig: dann können wir auch per E-Mail antworten)', name: 'Name', address: 'E-Mail', save: 'Speichern',
      badAddress: 'Das ist keine E-Mail-Adresse.', badIdentity: 'Ihre Anmeldung ist abgelaufen; Sie schreiben als Gast.',
      you: 'Sie', desk: 'Kundendienst', sending: 'wird gesendet', sent: 'beim Kundendienst angekommen', failed: 'nicht gesendet',
      tooLong: 'Die Nachricht ist zu lang. Bitte kürzen Sie sie.', slowDown: 'Viele Nachrichten: Der Rest wird gleich gesendet.',
      notTaken: 'Die Nachricht konnte nicht gesendet werden.', typing: (n) => `${n} schreibt…`, someone: 'Jemand',
      end: 'Beenden', ended: 'Das Gespräch ist beendet.', ticket: (n) => `Das Gespräch ist beendet. Es hat die Nummer #${n}.`,
      rate: 'Wie zufrieden sind Sie mit der Hilfe? (1: gar nicht, 5: sehr)', thanks: 'Vielen Dank!', again: 'Neues Gespräch',
    },
    fr: {
      connecting: 'Connexion…', open: 'Connecté', away: 'Pas de connexion, nouvel essai…', idle: 'En pause\u00a0: écrivez pour continuer',
      greeting: 'Écrivez-nous ici. Une personne vous répondra.', text: 'Votre message', placeholder: 'Écrivez un message…', send: 'Envoyer',
      keys: 'Entrée envoie, Maj+Entrée commence une nouvelle ligne.',
      who: 'Votre nom et votre e-mail (facultatif\u00a0: nous pourrons alors aussi répondre par e-mail)', name: 'Nom', address: 'E-mail', save: 'Enregistrer',
      badAddress: 'Ce n’est pas une adresse e-mail.', badIdentity: 'Votre identification a expiré\u00a0; vous écrivez en tant que visiteur.',
      you: 'Vous', desk: 'Service client', sending: 'en cours d’envoi', sent: 'reçu par le service client', failed: 'non envoyé',
      tooLong: 'Le message est trop long. Merci de le raccourcir.', slowDown: 'Beaucoup de messages\u00a0: le reste sera envoyé dans un instant.',
      notTaken: 'Le message n’a pas pu être envoyé.', typing: (n) => `${n} écrit…`, someone: 'Quelqu’un',
      end: 'Terminer', ended: 'La conversation est terminée.', ticket: (n) => `La conversation est terminée. Elle porte le numéro #${n}.`,
      rate: 'Êtes-vous satisfait de l’aide reçue\u00a0? (1\u00a0: pas du tout, 5\u00a0: tout à fait)', thanks: 'Merci\u00a0!', again: 'Nouvelle conversation',
    },
  };

  const BACK_OFF_FIRST_MS = 500;
  const BACK_OFF_MAX_MS = 30000;
  const ACK_PATIENCE_MS = 15000;
  const RETRY_MS = 3000;
  const PARENT_PATIENCE_MS = 500;
  const TYPING_MS = 6000;

  const $ = (id) => document.getElementById(id);
  const primary = (tag) => String(tag || '').toLowerCase().split(/[-_]/)[0];

  // A browser may forbid storage to a framed page; the chat then lasts as long as the page.
  const kept = (storage) => ({
    get(key) { try { return JSON.parse(storage().getItem(`guichet.${key}`)); } catch { return null; } },
    set(key, value) {
      try {
        if (value === null) storage().removeItem(`guichet.${key}`);
        else storage().setItem(`guichet.${key}`, JSON.stringify(value));
      } catch { /* lasts as long as the page */ }
    },
  });
  const forLong = kept(() => localStorage);
  const forTab = kept(() => sessionStorage);

  let identity = null; // signed by the embedding site; never stored
  let language = '';
  let words = WORDS.en;
  const who = Object.assign({ name: '', address: '' }, forLong.get('who'));
  let session = forLong.get('session');
  // Not acknowledged yet, oldest first. Only the first is on its way, so that an error is about that one.
  const pending = Array.isArray(forTab.get('pending')) ? forTab.get('pending') : [];
  let onItsWay = null;
  let ackTimer = 0;
  let after = 0;
  let shown = new Set();
  const nodes = new Map(); // by client id, of own messages

  let socket = null;
  let welcomed = false;
  let paused = false;
  let over = false;
  let backOff = BACK_OFF_FIRST_MS;
  let reconnectTimer = 0;
  let typingTimer = 0;

  // ---- the page

  function speak(tag) {
    const wanted = tag ? [tag] : navigator.languages || [navigator.language];
    const found = wanted.map(primary).find((l) => WORDS[l]);
    language = found || primary(wanted[0]) || 'en';
    words = WORDS[found || 'en'];
    document.documentElement.lang = found || 'en';
    $('greeting').textContent = words.greeting;
    $('text-label').textContent = words.text;
    $('text').placeholder = words.placeholder;
    $('send').textContent = words.send;
    $('keys').textContent = words.keys;
    $('name-label').textContent = words.name;
    $('address-label').textContent = words.address;
    $('who-save').textContent = words.save;
    $('end').textContent = words.end;
    $('again').textContent = words.again;
    $('rating-question').textContent = words.rate;
    $('log').setAttribute('aria-label', document.title);
    showWho();
  }

  function showWho() {
    const known = [who.name, who.address].filter(Boolean).join(' · ');
    $('who-summary').textContent = known || words.who;
    $('who').hidden = identity !== null;
  }

  function showState(state) {
    $('state').dataset.state = state === 'open' ? 'open' : state === 'connecting' ? 'connecting' : 'away';
    $('state').textContent = words[state];
  }

  function showNotice(text) {
    $('notice').textContent = text;
    $('notice').hidden = !text;
  }

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function clock(at) {
    const time = new Date(at);
    if (Number.isNaN(time.getTime())) return '';
    const today = new Date().toDateString() === time.toDateString();
    const form = today ? { hour: '2-digit', minute: '2-digit' } : { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' };
    return time.toLocaleString(document.documentElement.lang, form);
  }

  function bubble(author, name, text, at) {
    const node = element('li', ['customer', 'agent'].includes(author) ? author : 'desk');
    const meta = element('div', 'meta');
    const person = author === 'customer' ? words.you : name || words.desk;
    meta.append(element('span', 'name', person), ` · `, element('time', '', clock(at)));
    const body = element('div', 'bubble', text);
    body.dir = 'auto';
    if (author === 'customer') {
      const tick = element('span', 'tick');
      tick.setAttribute('role', 'img');
      meta.append(tick);
      node.append(body, meta);
    } else {
      node.append(meta, body);
    }
    return node;
  }

  function mark(node, state) {
    node.classList.remove('sending', 'sent', 'failed');
    node.classList.add(state);
    const tick = node.querySelector('.tick');
    if (!tick) return;
    tick.textContent = { sending: '…', sent: '✓', failed: '✗' }[state];
    tick.setAttribute('aria-label', words[state]);
    tick.title = words[state];
  }

  // What the desk has stands before what still waits.
  function place(node) {
    const main = $('log').parentElement;
    const atEnd = main.scrollHeight - main.scrollTop - main.clientHeight < 80;
    $('log').insertBefore(node, $('log').querySelector('li.sending'));
    $('greeting').hidden = true;
    if (atEnd || node.classList.contains('customer')) toEnd();
  }

  function toEnd() {
    const main = $('log').parentElement;
    main.scrollTop = main.scrollHeight;
  }

  function showPending(message) {
    const node = bubble('customer', '', message.text, message.at);
    nodes.set(message.id, node);
    node.classList.add('sending');
    mark(node, 'sending');
    $('log').append(node);
    $('greeting').hidden = true;
    toEnd();
  }

  // ---- what goes out

  function transmit(frame) {
    if (socket && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
  }

  function hello() {
    transmit({ type: 'hello', session, after, identity, name: who.name, address: who.address, language });
  }

  function sendNext() {
    if (!welcomed || onItsWay || pending.length === 0) return;
    onItsWay = pending[0].id;
    transmit({ type: 'message', id: pending[0].id, text: pending[0].text });
    clearTimeout(ackTimer);
    // No answer: the connection is dead, whatever the browser believes.
    ackTimer = setTimeout(() => reconnect(0), ACK_PATIENCE_MS);
  }

  function settled(id, state) {
    if (onItsWay === id) {
      onItsWay = null;
      clearTimeout(ackTimer);
    }
    const at = pending.findIndex((m) => m.id === id);
    const message = at >= 0 ? pending.splice(at, 1)[0] : null;
    forTab.set('pending', pending);
    const node = nodes.get(id);
    if (node) {
      mark(node, state);
      place(node);
    }
    return message;
  }

  function later() {
    clearTimeout(ackTimer);
    setTimeout(() => { onItsWay = null; sendNext(); }, RETRY_MS);
  }

  function newId() {
    const random = crypto.getRandomValues(new Uint8Array(12));
    return Array.from(random, (b) => b.toString(16).padStart(2, '0')).join('');
  }

  function say(text) {
    const message = { id: newId(), text, at: new Date().toISOString() };
    pending.push(message);
    forTab.set('pending', pending);
    showPending(message);
    showNotice('');
    wake();
    sendNext();
  }

  function seen() {
    if (welcomed && after > 0 && document.visibilityState === 'visible') transmit({ type: 'seen', seq: after });
  }

  // ---- what comes in

  const ON = {
    welcome(frame) {
      welcomed = true;
      backOff = BACK_OFF_FIRST_MS;
      if (!frame.resumed) {
        after = 0;
        shown = new Set();
      }
      session = frame.session;
      forLong.set('session', session);
      $('expected').textContent = frame.expected || '';
      $('end').hidden = frame.ticket === null && after === 0;
      showState('open');
      onItsWay = null;
      sendNext();
    },
    ack(frame) {
      after = Math.max(after, frame.seq);
      shown.add(frame.seq);
      settled(frame.id, 'sent');
      $('end').hidden = false;
      sendNext();
    },
    message(frame) {
      after = Math.max(after, frame.seq);
      if (shown.has(frame.seq)) return;
      shown.add(frame.seq);
      if (frame.author === 'customer' && frame.id && nodes.has(frame.id)) {
        settled(frame.id, 'sent');
        sendNext();
      } else {
        const node = bubble(frame.author, frame.name, frame.text, frame.at);
        if (frame.author === 'customer') mark(node, 'sent');
        if (frame.id) nodes.set(frame.id, node);
        place(node);
      }
      if (frame.author !== 'customer') $('typing').textContent = '';
      $('end').hidden = false;
      seen();
    },
    typing(frame) {
      $('typing').textContent = words.typing(frame.name || words.someone);
      clearTimeout(typingTimer);
      typingTimer = setTimeout(() => { $('typing').textContent = ''; }, TYPING_MS);
    },
    ended(frame) {
      over = true;
      forLong.set('session', null);
      showNotice('');
      $('footer').hidden = true;
      $('end').hidden = true;
      $('rating').hidden = frame.ticket === null;
      place(bubble('desk', words.desk, frame.ticket === null ? words.ended : words.ticket(frame.ticket), new Date().toISOString()));
      toEnd();
      if (frame.ticket === null) startAgain();
      else $('scores').querySelector('button').focus();
    },
    error(frame) {
      switch (frame.code) {
        case 'bad_identity':
          identity = null;
          showNotice(words.badIdentity);
          showWho();
          hello();
          break;
        case 'bad_address':
          who.address = '';
          forLong.set('who', who);
          badAddress();
          hello();
          break;
        case 'slow_down':
          showNotice(words.slowDown);
          later();
          break;
        case 'try_again':
          if (welcomed) later();
          else setTimeout(hello, RETRY_MS);
          break;
        default: { // too_large, bad_frame: the same again would fail the same way
          const message = onItsWay ? settled(onItsWay, 'failed') : null;
          if (!message) break;
          showNotice(frame.code === 'too_large' ? words.tooLong : words.notTaken);
          if (!$('text').value) $('text').value = message.text;
          sendNext();
        }
      }
    },
  };

  function badAddress() {
    $('who').open = true;
    $('address').setAttribute('aria-invalid', 'true');
    $('address-fault').textContent = words.badAddress;
    $('address').focus();
  }

  // ---- the connection

  function connect() {
    clearTimeout(reconnectTimer);
    reconnectTimer = 0;
    welcomed = false;
    paused = false;
    showState('connecting');
    const url = new URL('ws', location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    url.hash = '';
    const mine = new WebSocket(url, 'guichet.v1');
    socket = mine;
    mine.addEventListener('open', () => { if (socket === mine) hello(); });
    mine.addEventListener('message', (event) => {
      if (socket !== mine) return;
      let frame;
      try { frame = JSON.parse(event.data); } catch { return; }
      if (Object.hasOwn(ON, frame.type)) ON[frame.type](frame);
    });
    mine.addEventListener('close', (event) => {
      if (socket !== mine) return;
      socket = null;
      welcomed = false;
      if (over) return;
      if (event.code === 1000) {
        // Idle: what comes now goes by mail or waits, until somebody looks here again.
        paused = true;
        showState('idle');
        return;
      }
      showState('away');
      const wait = event.code === 1008 ? BACK_OFF_MAX_MS : backOff;
      backOff = Math.min(backOff * 2, BACK_OFF_MAX_MS);
      // Spread, so that all windows of a desk that restarts do not come in the same instant.
      reconnect(wait * (0.5 + Math.random()));
    });
  }

  function reconnect(wait) {
    clearTimeout(reconnectTimer);
    clearTimeout(ackTimer);
    onItsWay = null;
    const old = socket;
    socket = null;
    if (old) old.close();
    reconnectTimer = setTimeout(connect, wait);
  }

  function wake() {
    if (!over && !socket && (paused || reconnectTimer)) connect();
  }

  function startAgain() {
    over = false;
    session = null;
    after = 0;
    shown = new Set();
    nodes.clear();
    $('log').replaceChildren();
    $('greeting').hidden = false;
    $('rating').hidden = true;
    $('footer').hidden = false;
    $('thanks').textContent = '';
    for (const button of $('scores').children) button.setAttribute('aria-pressed', 'false');
    $('text').focus();
    reconnect(0);
  }

  // ---- what the visitor does

  $('composer').addEventListener('submit', (event) => {
    event.preventDefault();
    const text = $('text').value.trim();
    if (!text) return;
    $('text').value = '';
    say(text);
    $('text').focus();
  });
  $('text').addEventListener('keydown', (event) => {
    // While an input method composes, Enter chooses a word.
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      $('composer').requestSubmit();
    }
  });
  $('text').addEventListener('input', wake);
  $('who-form').addEventListener('submit', (event) => {
    event.preventDefault();
    $('address').removeAttribute('aria-invalid');
    $('address-fault').textContent = '';
    who.name = $('name').value.trim();
    who.address = $('address').value.trim();
    if (who.address && !$('address').checkValidity()) {
      who.address = '';
      badAddress();
      return;
    }
    forLong.set('who', who);
    showWho();
    $('who').open = false;
    $('text').focus();
    reconnect(0);
  });
  $('end').addEventListener('click', () => transmit({ type: 'end' }));
  $('again').addEventListener('click', startAgain);
  for (let score = 1; score <= 5; score += 1) {
    const button = element('button', '', String(score));
    button.type = 'button';
    button.setAttribute('aria-pressed', 'false');
    button.addEventListener('click', () => {
      transmit({ type: 'rate', score, comment: '' });
      for (const other of $('scores').children) other.setAttribute('aria-pressed', String(other === button));
      $('thanks').textContent = words.thanks;
    });
    $('scores').append(button);
  }
  document.addEventListener('visibilitychange', () => { if (document.visibilityState === 'visible') { wake(); seen(); } });
  window.addEventListener('online', wake);
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && window.parent !== window) window.parent.postMessage({ guichet: 'close' }, '*');
  });

  // ---- start: a framed page asks its parent first who the visitor is

  function start() {
    $('name').value = who.name;
    $('address').value = who.address;
    pending.forEach(showPending);
    connect();
  }

  speak('');
  showState('connecting');
  if (window.parent === window) {
    start();
  } else {
    let started = false;
    const once = () => { if (!started) { started = true; start(); } };
    // Only a site of the configuration can frame this page (frame-ancestors), so the parent may say who sits here.
    window.addEventListener('message', (event) => {
      if (event.source !== window.parent || !event.data || event.data.guichet !== 'visitor' || started) return;
      const text = (value) => (typeof value === 'string' ? value : '');
      identity = text(event.data.identity) || null;
      who.name = text(event.data.name) || who.name;
      who.address = text(event.data.address) || who.address;
      if (event.data.language) speak(text(event.data.language));
      else showWho();
      once();
    });
    window.parent.postMessage({ guichet: 'ready' }, '*');
    setTimeout(once, PARENT_PATIENCE_MS);
  }
})();
