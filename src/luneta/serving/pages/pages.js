// What the pages do in the browser; loaded before gradio.
(() => {
  const root = document.documentElement;
  const kept = name => { try { return localStorage.getItem(name); } catch { return null; } };
  const speaks = kept('luneta-language') || (/^pt/i.test(navigator.language || '') ? 'pt-BR' : 'en');
  if (speaks !== 'en') {  // the page is built in English: nobody sees it before it is in their language
    root.classList.add('translating');
    setTimeout(() => root.classList.remove('translating'), 4000);
  }
  // Gradio refuses files of other kinds in English; they are told here, in the language of the page.
  const takes = (kinds, file) => !kinds.length || kinds.some(kind => kind.startsWith('.')
    ? file.name.toLowerCase().endsWith(kind) : file.type.startsWith(kind.replace('*', '')));
  const looked = (event, files) => {
    const place = event.target.closest?.('#picture, #lab-upload');
    if (!place || !files.length) return;
    place.parentElement.querySelector('.wrong-kind')?.remove();
    const input = place.querySelector('input[type=file]');
    const kinds = (input?.accept || '').toLowerCase().split(',').map(kind => kind.trim()).filter(Boolean);
    const wrong = [...files].find(file => !takes(kinds, file));
    if (!wrong) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (input) input.value = '';
    event.target.dispatchEvent(new DragEvent('dragleave', {bubbles: true}));
    const said = document.createElement('p');
    said.className = 'callout bad wrong-kind';
    said.setAttribute('role', 'alert');
    const words = document.querySelector('[data-wrong-kind]')?.dataset.wrongKind || '{name}';
    said.textContent = words.replace('{name}', wrong.name);
    place.after(said);
  };
  addEventListener('change', event => event.target.type === 'file' && looked(event, event.target.files), true);
  addEventListener('drop', event => looked(event, event.dataTransfer?.files || []), true);
  window.luneta = {
    language: () => kept('luneta-language'),
    speak: language => {
      root.lang = language;
      root.classList.remove('translating');
      try { localStorage.setItem('luneta-language', language); } catch {}
    },
    acts: (element, trigger) => {
      element.dataset.shows = '';
      element.addEventListener('click', event => {
        const button = event.target.closest('[data-act]');
        if (!button || !element.contains(button) || button.disabled) return;
        event.preventDefault();
        element.setAttribute('aria-busy', 'true');
        trigger('act', {act: button.dataset.act, id: button.dataset.id || ''});
      });
    },
    folded: () => {
      const open = innerWidth < 704 ? document.querySelectorAll('.side .fold > button.label-wrap.open') : [];
      open.forEach(each => each.click());
    },
    shown: element => {
      element.removeAttribute('aria-busy');
      const of = element.querySelector('[data-of]')?.dataset.of || '';
      if (element.dataset.shows !== undefined && of !== element.dataset.shows) {
        const top = element.getBoundingClientRect().top;
        if (top < 0 || top > 0.6 * innerHeight) element.scrollIntoView({block: 'start'});
      }
      element.dataset.shows = of;
      const heading = element.querySelector('[data-focus]');
      const now = heading ? heading.dataset.focus : '';
      if (now && now !== element.dataset.focused) {
        heading.focus({preventScroll: true});
        heading.closest('section').scrollIntoView({block: 'nearest'});
      }
      element.dataset.focused = now;
      const file = element.querySelector('a[data-take]');  // it was asked for
      const taken = file ? String(file.href.length) : '';
      if (file && taken !== element.dataset.taken) file.click();
      element.dataset.taken = taken;
    },
    theme: () => {
      const dark = !document.body.classList.contains('dark');
      document.body.classList.toggle('dark', dark);
      root.classList.toggle('dark', dark);
    },
  };
})();
