// Every text of the page in four languages: one table, and what chooses from it. What the server says stays English.

export const LANGUAGES = { en: "English", de: "Deutsch", fr: "Français", es: "Español" };

/** By key; {names} in braces are filled in. Labels stand as inside a sentence. */
export const STRINGS = {
  // --- the head of the page, and what all tabs share ---
  "page.title": { en: "affekt: how does a voice sound, how does a face look, what do words say?", de: "affekt: Wie klingt eine Stimme, wie sieht ein Gesicht aus, was sagen Worte?", fr: "affekt : comment sonne une voix, quel air a un visage, que disent les mots ?", es: "affekt: ¿cómo suena una voz, qué aspecto tiene una cara, qué dicen las palabras?" },
  "page.description": { en: "Speak, show your face, write, or drop a recording: a timeline of emotions, and how sure it is.", de: "Sprechen, das Gesicht zeigen, schreiben oder eine Aufnahme ablegen: eine Zeitleiste der Emotionen, und wie sicher sie ist.", fr: "Parlez, montrez votre visage, écrivez ou déposez un enregistrement : une chronologie des émotions, avec son degré de certitude.", es: "Hable, muestre su cara, escriba o suelte una grabación: una línea de tiempo de emociones y lo segura que es." },
  "page.skip": { en: "Skip to the content", de: "Zum Inhalt", fr: "Aller au contenu", es: "Ir al contenido" },
  "page.noscript": { en: "This page needs JavaScript: it records, draws and plays in your browser.", de: "Diese Seite braucht JavaScript: Sie nimmt im Browser auf, zeichnet und spielt ab.", fr: "Cette page a besoin de JavaScript : elle enregistre, dessine et lit dans votre navigateur.", es: "Esta página necesita JavaScript: graba, dibuja y reproduce en su navegador." },
  "page.language": { en: "Language", de: "Sprache", fr: "Langue", es: "Idioma" },
  "page.dark": { en: "Dark", de: "Dunkel", fr: "Sombre", es: "Oscuro" },
  "page.drop": { en: "Drop the files here", de: "Dateien hier ablegen", fr: "Déposez les fichiers ici", es: "Suelte los archivos aquí" },
  "server.connecting": { en: "Connecting", de: "Verbinde", fr: "Connexion", es: "Conectando" },
  "server.ready": { en: "Server ready", de: "Server bereit", fr: "Serveur prêt", es: "Servidor listo" },
  "server.gone": { en: "Server gone; trying again", de: "Server weg; neuer Versuch", fr: "Serveur absent ; nouvel essai", es: "Servidor ausente; reintentando" },
  "server.gone.resuming": { en: "Server gone; trying to go on ({seconds} s)", de: "Server weg; Versuch fortzufahren ({seconds} s)", fr: "Serveur absent ; tentative de reprise ({seconds} s)", es: "Servidor ausente; intentando continuar ({seconds} s)" },
  "server.gone.kept": { en: "Server gone; the recording is kept here", de: "Server weg; die Aufnahme bleibt hier erhalten", fr: "Serveur absent ; l’enregistrement est gardé ici", es: "Servidor ausente; la grabación se conserva aquí" },
  "server.back": { en: "The server is back.", de: "Der Server ist wieder da.", fr: "Le serveur est de retour.", es: "El servidor ha vuelto." },
  "server.silent": { en: "The server does not answer.", de: "Der Server antwortet nicht.", fr: "Le serveur ne répond pas.", es: "El servidor no responde." },
  "server.answered": { en: "The server answered {status}.", de: "Der Server antwortete {status}.", fr: "Le serveur a répondu {status}.", es: "El servidor respondió {status}." },
  "server.nothing": { en: "The server found nothing in it.", de: "Der Server hat nichts darin gefunden.", fr: "Le serveur n’y a rien trouvé.", es: "El servidor no encontró nada en él." },
  "server.unreadable": { en: "The server could not read it.", de: "Der Server konnte sie nicht lesen.", fr: "Le serveur n’a pas pu le lire.", es: "El servidor no pudo leerlo." },
  "problem.retry": { en: "Try again", de: "Noch einmal", fr: "Réessayer", es: "Reintentar" },
  "problem.close": { en: "Close", de: "Schließen", fr: "Fermer", es: "Cerrar" },
  "problem.close.label": { en: "Close this message", de: "Diese Meldung schließen", fr: "Fermer ce message", es: "Cerrar este mensaje" },
  "tabs.legend": { en: "What is looked at", de: "Was betrachtet wird", fr: "Ce qui est analysé", es: "Qué se analiza" },
  "tabs.speech": { en: "Voice", de: "Stimme", fr: "Voix", es: "Voz" },
  "tabs.face": { en: "Faces", de: "Gesichter", fr: "Visages", es: "Caras" },
  "tabs.fusion": { en: "Video", de: "Video", fr: "Vidéo", es: "Vídeo" },
  "tabs.text": { en: "Text", de: "Text", fr: "Texte", es: "Texto" },
  "tabs.speech.title": { en: "How does a voice sound?", de: "Wie klingt eine Stimme?", fr: "Comment sonne une voix ?", es: "¿Cómo suena una voz?" },
  "tabs.speech.lead": { en: "Speak, or drop a recording. You get a timeline of emotions, how sure the model is, and why when it is not.", de: "Sprechen Sie, oder legen Sie eine Aufnahme ab. Sie erhalten eine Zeitleiste der Emotionen, wie sicher das Modell ist, und warum, wenn es unsicher ist.", fr: "Parlez, ou déposez un enregistrement. Vous obtenez une chronologie des émotions, la certitude du modèle, et la raison quand il doute.", es: "Hable o suelte una grabación. Obtendrá una línea de tiempo de emociones, lo seguro que está el modelo y por qué, cuando no lo está." },
  "tabs.face.title": { en: "How does a face look?", de: "Wie sieht ein Gesicht aus?", fr: "Quel air a un visage ?", es: "¿Qué aspecto tiene una cara?" },
  "tabs.face.lead": { en: "Turn on the camera, or drop a picture or a video. You get a box and a timeline for each face, how sure the model is, and why when it is not.", de: "Schalten Sie die Kamera ein, oder legen Sie ein Bild oder Video ab. Sie erhalten für jedes Gesicht einen Rahmen und eine Zeitleiste, wie sicher das Modell ist, und warum, wenn es unsicher ist.", fr: "Allumez la caméra, ou déposez une image ou une vidéo. Vous obtenez un cadre et une chronologie pour chaque visage, la certitude du modèle, et la raison quand il doute.", es: "Encienda la cámara o suelte una imagen o un vídeo. Obtendrá un recuadro y una línea de tiempo por cara, lo seguro que está el modelo y por qué, cuando no lo está." },
  "tabs.fusion.title": { en: "What do voice, face and words say together?", de: "Was sagen Stimme, Gesicht und Worte zusammen?", fr: "Que disent ensemble la voix, le visage et les mots ?", es: "¿Qué dicen juntos la voz, la cara y las palabras?" },
  "tabs.fusion.lead": { en: "Turn on camera and microphone, or drop a video. You get a lane for each, what they say together, and where they contradict each other.", de: "Schalten Sie Kamera und Mikrofon ein, oder legen Sie ein Video ab. Sie erhalten eine Spur für jedes, was sie zusammen sagen, und wo sie einander widersprechen.", fr: "Allumez la caméra et le micro, ou déposez une vidéo. Vous obtenez une piste pour chacun, ce qu’ils disent ensemble, et où ils se contredisent.", es: "Encienda cámara y micrófono o suelte un vídeo. Obtendrá una pista para cada uno, lo que dicen juntos y dónde se contradicen." },
  "tabs.text.title": { en: "What do words say?", de: "Was sagen Worte?", fr: "Que disent les mots ?", es: "¿Qué dicen las palabras?" },
  "tabs.text.lead": { en: "Write a sentence, or drop a text or subtitles. You get the emotion of each sentence, how sure the model is, and the words it rests on.", de: "Schreiben Sie einen Satz, oder legen Sie einen Text oder Untertitel ab. Sie erhalten die Emotion jedes Satzes, wie sicher das Modell ist, und die Wörter, auf denen das beruht.", fr: "Écrivez une phrase, ou déposez un texte ou des sous-titres. Vous obtenez l’émotion de chaque phrase, la certitude du modèle, et les mots sur lesquels elle repose.", es: "Escriba una frase o suelte un texto o subtítulos. Obtendrá la emoción de cada frase, lo seguro que está el modelo y las palabras en que se apoya." },
  "happens.link": { en: "What happens here", de: "Was hier geschieht", fr: "Ce qui se passe ici", es: "Qué ocurre aquí" },
  "happens.notice": { en: "Your browser records and draws; the server of this page computes how the voice sounds, the face looks and what the words say. Nothing is stored, and nothing is sent anywhere else.", de: "Ihr Browser nimmt auf und zeichnet; der Server dieser Seite berechnet, wie die Stimme klingt, das Gesicht aussieht und was die Worte sagen. Nichts wird gespeichert, und nichts wird anderswohin gesendet.", fr: "Votre navigateur enregistre et dessine ; le serveur de cette page calcule comment sonne la voix, quel air a le visage et ce que disent les mots. Rien n’est conservé, et rien n’est envoyé ailleurs.", es: "Su navegador graba y dibuja; el servidor de esta página calcula cómo suena la voz, qué aspecto tiene la cara y qué dicen las palabras. No se guarda nada ni se envía nada a otro sitio." },
  "happens.limits": { en: "It hears how something is said, sees how a face looks and reads words, not what somebody feels. Not for decisions about people: not in hiring, at work, at school, in insurance, in court.", de: "Sie hört, wie etwas gesagt wird, sieht, wie ein Gesicht aussieht, und liest Worte, nicht, was jemand fühlt. Nicht für Entscheidungen über Menschen: nicht bei Bewerbungen, in der Arbeit, in der Schule, bei Versicherungen, vor Gericht.", fr: "Elle entend comment une chose est dite, voit quel air a un visage et lit des mots, non ce que quelqu’un ressent. Pas pour décider du sort de personnes : ni à l’embauche, ni au travail, ni à l’école, ni en assurance, ni au tribunal.", es: "Oye cómo se dice algo, ve qué aspecto tiene una cara y lee palabras, no lo que alguien siente. No sirve para decidir sobre personas: ni en contrataciones, ni en el trabajo, la escuela, los seguros o los tribunales." },
  "token.title": { en: "This server asks for a token", de: "Dieser Server verlangt ein Token", fr: "Ce serveur demande un jeton", es: "Este servidor pide un token" },
  "token.note": { en: "Whoever runs it gave it to you. It stays in this tab until you close it.", de: "Sie haben es von den Betreibern. Es bleibt in diesem Tab, bis Sie ihn schließen.", fr: "La personne qui le gère vous l’a donné. Il reste dans cet onglet jusqu’à sa fermeture.", es: "Se lo dio quien lo administra. Permanece en esta pestaña hasta que la cierre." },
  "token.label": { en: "Token", de: "Token", fr: "Jeton", es: "Token" },
  "token.go": { en: "Go on", de: "Weiter", fr: "Continuer", es: "Continuar" },
  "token.wrong": { en: "This token is not the right one.", de: "Dieses Token ist nicht das richtige.", fr: "Ce jeton n’est pas le bon.", es: "Este token no es el correcto." },
  "token.without": { en: "Without a token this server does not answer.", de: "Ohne Token antwortet dieser Server nicht.", fr: "Sans jeton, ce serveur ne répond pas.", es: "Sin token este servidor no responde." },

  // --- where sound, pictures and words come from ---
  "drop.hint": { en: "or drop them anywhere on the page", de: "oder irgendwo auf der Seite ablegen", fr: "ou déposez-les n’importe où sur la page", es: "o suéltelos en cualquier parte de la página" },
  "drop.several": { en: "Several at once", de: "Mehrere auf einmal", fr: "Plusieurs à la fois", es: "Varios a la vez" },
  "speech.drop": { en: "Choose recordings", de: "Aufnahmen wählen", fr: "Choisir des enregistrements", es: "Elegir grabaciones" },
  "speech.drop.kinds": { en: "Sound or film, several at once", de: "Ton oder Film, mehrere auf einmal", fr: "Son ou film, plusieurs à la fois", es: "Sonido o película, varios a la vez" },
  "speech.record": { en: "Record", de: "Aufnehmen", fr: "Enregistrer", es: "Grabar" },
  "speech.stop": { en: "Stop", de: "Stopp", fr: "Arrêter", es: "Parar" },
  "speech.clock": { en: "Length of the recording", de: "Länge der Aufnahme", fr: "Durée de l’enregistrement", es: "Duración de la grabación" },
  "speech.level": { en: "Level of the microphone", de: "Pegel des Mikrofons", fr: "Niveau du micro", es: "Nivel del micrófono" },
  "speech.consent": { en: "I agree that what I say is analysed while I record, and everybody who can be heard agrees, too.", de: "Ich stimme zu, dass analysiert wird, was ich während der Aufnahme sage, und alle, die zu hören sind, stimmen auch zu.", fr: "J’accepte que ce que je dis soit analysé pendant l’enregistrement, et toutes les personnes audibles l’acceptent aussi.", es: "Acepto que se analice lo que digo mientras grabo, y todas las personas que se oyen también lo aceptan." },
  "speech.consent.more": { en: "The sound goes to this server only and is not stored.", de: "Der Ton geht nur an diesen Server und wird nicht gespeichert.", fr: "Le son ne va qu’à ce serveur et n’est pas conservé.", es: "El sonido va solo a este servidor y no se guarda." },
  "speech.consent.stored": { en: "This server stores recordings and results.", de: "Dieser Server speichert Aufnahmen und Ergebnisse.", fr: "Ce serveur conserve les enregistrements et les résultats.", es: "Este servidor guarda grabaciones y resultados." },
  "speech.consent.first": { en: "The microphone stays closed until you agree (the switch below the button). Recordings can be uploaded without.", de: "Das Mikrofon bleibt zu, bis Sie zustimmen (der Schalter unter dem Knopf). Aufnahmen können ohne das hochgeladen werden.", fr: "Le micro reste fermé tant que vous n’acceptez pas (l’interrupteur sous le bouton). Les enregistrements peuvent être envoyés sans cela.", es: "El micrófono sigue cerrado hasta que acepte (el interruptor bajo el botón). Las grabaciones pueden subirse sin ello." },
  "speech.example": { en: "Try an example", de: "Ein Beispiel ausprobieren", fr: "Essayer un exemple", es: "Probar un ejemplo" },
  "speech.example.from": { en: "Actors of RAVDESS (CC BY-NC-SA 4.0)", de: "Schauspieler aus RAVDESS (CC BY-NC-SA 4.0)", fr: "Acteurs de RAVDESS (CC BY-NC-SA 4.0)", es: "Actores de RAVDESS (CC BY-NC-SA 4.0)" },
  "speech.example.missing": { en: "This installation has no example.", de: "Diese Installation hat kein Beispiel.", fr: "Cette installation n’a pas d’exemple.", es: "Esta instalación no tiene ejemplo." },
  "speech.recording": { en: "Recording.", de: "Aufnahme läuft.", fr: "Enregistrement en cours.", es: "Grabando." },
  "speech.microphone": { en: "Microphone {number}", de: "Mikrofon {number}", fr: "Micro {number}", es: "Micrófono {number}" },
  "speech.late": { en: "shown {seconds} s later: the server is busy", de: "{seconds} s später gezeigt: Der Server ist beschäftigt", fr: "affiché {seconds} s plus tard : le serveur est occupé", es: "mostrado {seconds} s más tarde: el servidor está ocupado" },
  "speech.cancelled": { en: "Stopped waiting for the server. The sound is still here, and can be downloaded.", de: "Es wird nicht mehr auf den Server gewartet. Der Ton ist noch hier und kann heruntergeladen werden.", fr: "Fin de l’attente du serveur. Le son est toujours ici et peut être téléchargé.", es: "Ya no se espera al servidor. El sonido sigue aquí y se puede descargar." },
  "speech.nothing.said": { en: "The microphone was closed before anything was said.", de: "Das Mikrofon wurde geschlossen, bevor etwas gesagt wurde.", fr: "Le micro a été fermé avant que rien ne soit dit.", es: "El micrófono se cerró antes de que se dijera nada." },
  "microphone.insecure": { en: "This browser gives the microphone to https pages and to localhost only. Uploading works.", de: "Dieser Browser gibt das Mikrofon nur https-Seiten und localhost. Hochladen geht.", fr: "Ce navigateur ne donne le micro qu’aux pages https et à localhost. L’envoi de fichiers fonctionne.", es: "Este navegador solo da el micrófono a páginas https y a localhost. Subir archivos funciona." },
  "microphone.refused": { en: "The browser did not give the microphone: it was refused, here or in the settings. Uploading works.", de: "Der Browser hat das Mikrofon nicht gegeben: Es wurde abgelehnt, hier oder in den Einstellungen. Hochladen geht.", fr: "Le navigateur n’a pas donné le micro : il a été refusé, ici ou dans les réglages. L’envoi de fichiers fonctionne.", es: "El navegador no dio el micrófono: fue denegado, aquí o en los ajustes. Subir archivos funciona." },
  "microphone.none": { en: "There is no microphone. Uploading works.", de: "Es gibt kein Mikrofon. Hochladen geht.", fr: "Il n’y a pas de micro. L’envoi de fichiers fonctionne.", es: "No hay micrófono. Subir archivos funciona." },
  "microphone.used": { en: "The microphone is in use by another program.", de: "Das Mikrofon wird von einem anderen Programm benutzt.", fr: "Le micro est utilisé par un autre programme.", es: "Otro programa está usando el micrófono." },
  "microphone.failed": { en: "The microphone could not be opened: {problem}", de: "Das Mikrofon konnte nicht geöffnet werden: {problem}", fr: "Le micro n’a pas pu être ouvert : {problem}", es: "No se pudo abrir el micrófono: {problem}" },
  "face.start": { en: "Start camera", de: "Kamera starten", fr: "Démarrer la caméra", es: "Iniciar cámara" },
  "face.consent": { en: "I agree that my face is analysed while the camera is on, and everybody who can be seen agrees, too.", de: "Ich stimme zu, dass mein Gesicht analysiert wird, solange die Kamera an ist, und alle, die zu sehen sind, stimmen auch zu.", fr: "J’accepte que mon visage soit analysé tant que la caméra est allumée, et toutes les personnes visibles l’acceptent aussi.", es: "Acepto que se analice mi cara mientras la cámara está encendida, y todas las personas visibles también lo aceptan." },
  "face.consent.more": { en: "Until then nothing is filmed or sent. The pictures go to this server only and are not stored.", de: "Bis dahin wird nichts gefilmt oder gesendet. Die Bilder gehen nur an diesen Server und werden nicht gespeichert.", fr: "Jusque-là, rien n’est filmé ni envoyé. Les images ne vont qu’à ce serveur et ne sont pas conservées.", es: "Hasta entonces no se filma ni se envía nada. Las imágenes van solo a este servidor y no se guardan." },
  "face.drop": { en: "Choose pictures or videos", de: "Bilder oder Videos wählen", fr: "Choisir des images ou des vidéos", es: "Elegir imágenes o vídeos" },
  "fusion.start": { en: "Start camera and sound", de: "Kamera und Ton starten", fr: "Démarrer caméra et son", es: "Iniciar cámara y sonido" },
  "fusion.consent": { en: "I agree that my face and my voice are analysed while camera and microphone are on, and everybody who can be seen or heard agrees, too.", de: "Ich stimme zu, dass mein Gesicht und meine Stimme analysiert werden, solange Kamera und Mikrofon an sind, und alle, die zu sehen oder zu hören sind, stimmen auch zu.", fr: "J’accepte que mon visage et ma voix soient analysés tant que la caméra et le micro sont allumés, et toutes les personnes visibles ou audibles l’acceptent aussi.", es: "Acepto que se analicen mi cara y mi voz mientras cámara y micrófono están encendidos, y todas las personas que se ven u oyen también lo aceptan." },
  "fusion.consent.before": { en: "Until then nothing is filmed, recorded or sent.", de: "Bis dahin wird nichts gefilmt, aufgenommen oder gesendet.", fr: "Jusque-là, rien n’est filmé, enregistré ni envoyé.", es: "Hasta entonces no se filma, graba ni envía nada." },
  "fusion.consent.more": { en: "Pictures and sound go to this server only and are not stored.", de: "Bilder und Ton gehen nur an diesen Server und werden nicht gespeichert.", fr: "Images et son ne vont qu’à ce serveur et ne sont pas conservés.", es: "Imágenes y sonido van solo a este servidor y no se guardan." },
  "fusion.consent.stored": { en: "Pictures are not stored; this server stores recordings and results.", de: "Bilder werden nicht gespeichert; dieser Server speichert Aufnahmen und Ergebnisse.", fr: "Les images ne sont pas conservées ; ce serveur conserve les enregistrements et les résultats.", es: "Las imágenes no se guardan; este servidor guarda grabaciones y resultados." },
  "fusion.drop": { en: "Choose videos", de: "Videos wählen", fr: "Choisir des vidéos", es: "Elegir vídeos" },
  "fusion.drop.kinds": { en: "With their captions, if there are any (srt, vtt)", de: "Mit ihren Untertiteln, falls es welche gibt (srt, vtt)", fr: "Avec leurs sous-titres, s’il y en a (srt, vtt)", es: "Con sus subtítulos, si los hay (srt, vtt)" },
  "text.sentences": { en: "Sentences", de: "Sätze", fr: "Phrases", es: "Frases" },
  "text.placeholder": { en: "Write or paste a few sentences, in English.", de: "Schreiben Sie ein paar Sätze auf Englisch, oder fügen Sie sie ein.", fr: "Écrivez ou collez quelques phrases, en anglais.", es: "Escriba o pegue unas frases en inglés." },
  "text.ask": { en: "See what they say", de: "Zeigen, was sie sagen", fr: "Voir ce qu’elles disent", es: "Ver qué dicen" },
  "text.privacy": { en: "The words go to this server only and are not stored.", de: "Die Worte gehen nur an diesen Server und werden nicht gespeichert.", fr: "Les mots ne vont qu’à ce serveur et ne sont pas conservés.", es: "Las palabras van solo a este servidor y no se guardan." },
  "text.drop": { en: "Choose texts", de: "Texte wählen", fr: "Choisir des textes", es: "Elegir textos" },
  "text.drop.kinds": { en: "txt, srt, vtt or csv, several at once", de: "txt, srt, vtt oder csv, mehrere auf einmal", fr: "txt, srt, vtt ou csv, plusieurs à la fois", es: "txt, srt, vtt o csv, varios a la vez" },

  // --- the timeline ---
  "view.title": { en: "Timeline", de: "Zeitleiste", fr: "Chronologie", es: "Línea de tiempo" },
  "view.recordings": { en: "Recordings", de: "Aufnahmen", fr: "Enregistrements", es: "Grabaciones" },
  "view.position": { en: "Position in the recording", de: "Stelle in der Aufnahme", fr: "Position dans l’enregistrement", es: "Posición en la grabación" },
  "view.position.value": { en: "{time} of {length}", de: "{time} von {length}", fr: "{time} sur {length}", es: "{time} de {length}" },
  "view.overview": { en: "Overview", de: "Übersicht", fr: "Vue d’ensemble", es: "Vista general" },
  "view.waveform": { en: "Waveform", de: "Wellenform", fr: "Forme d’onde", es: "Forma de onda" },
  "view.spectrogram": { en: "Spectrogram, mel", de: "Spektrogramm, Mel", fr: "Spectrogramme, mel", es: "Espectrograma, mel" },
  "view.probabilities": { en: "Probabilities", de: "Wahrscheinlichkeiten", fr: "Probabilités", es: "Probabilidades" },
  "view.probabilities.mean": { en: "Probabilities, mean of {step}", de: "Wahrscheinlichkeiten, Mittel über {step}", fr: "Probabilités, moyenne sur {step}", es: "Probabilidades, media de {step}" },
  "view.emotions": { en: "Emotions", de: "Emotionen", fr: "Émotions", es: "Emociones" },
  "view.emotions.shares": { en: "Emotions, shares of {step}; zoom in for segments", de: "Emotionen, Anteile je {step}; näher heran für Segmente", fr: "Émotions, parts par {step} ; zoomez pour les segments", es: "Emociones, partes por {step}; acerque para ver segmentos" },
  "view.empty": { en: "Here you will see the sound, and the emotions found in it.", de: "Hier sehen Sie den Ton und die Emotionen, die darin gefunden wurden.", fr: "Ici s’afficheront le son et les émotions qui y ont été trouvées.", es: "Aquí verá el sonido y las emociones que se hallaron en él." },
  "view.legend": { en: "Colours of the emotions", de: "Farben der Emotionen", fr: "Couleurs des émotions", es: "Colores de las emociones" },
  "view.play": { en: "Play", de: "Abspielen", fr: "Lire", es: "Reproducir" },
  "view.pause": { en: "Pause", de: "Pause", fr: "Pause", es: "Pausa" },
  "view.speed": { en: "Speed", de: "Tempo", fr: "Vitesse", es: "Velocidad" },
  "view.keys": { en: "Keys", de: "Tasten", fr: "Touches", es: "Teclas" },
  "view.zoom": { en: "Zoom", de: "Zoom", fr: "Zoom", es: "Zoom" },
  "view.zoom.in": { en: "Zoom in", de: "Vergrößern", fr: "Agrandir", es: "Acercar" },
  "view.zoom.out": { en: "Zoom out", de: "Verkleinern", fr: "Réduire", es: "Alejar" },
  "view.zoom.all": { en: "All", de: "Alles", fr: "Tout", es: "Todo" },
  "view.counts": { en: "{total} recordings: {parts}", de: "{total} Aufnahmen: {parts}", fr: "{total} enregistrements : {parts}", es: "{total} grabaciones: {parts}" },
  "view.counts.done": { en: "{n} done", de: "{n} fertig", fr: "{n} terminés", es: "{n} terminadas" },
  "view.counts.going": { en: "{n} to come", de: "{n} in Arbeit", fr: "{n} en cours", es: "{n} en curso" },
  "view.counts.failed": { en: "{n} failed", de: "{n} gescheitert", fr: "{n} en échec", es: "{n} fallidas" },
  "failures.one": { en: "1 file failed", de: "1 Datei ist gescheitert", fr: "1 fichier a échoué", es: "1 archivo falló" },
  "failures.many": { en: "{n} files failed", de: "{n} Dateien sind gescheitert", fr: "{n} fichiers ont échoué", es: "{n} archivos fallaron" },
  "failures.retry": { en: "Try all of them again", de: "Alle noch einmal versuchen", fr: "Tous les réessayer", es: "Reintentar todos" },
  "state.live": { en: "recording", de: "nimmt auf", fr: "enregistre", es: "grabando" },
  "state.finishing": { en: "finishing", de: "wird fertig", fr: "se termine", es: "terminando" },
  "state.waiting": { en: "waiting", de: "wartet", fr: "en attente", es: "en espera" },
  "state.running": { en: "running", de: "läuft", fr: "en cours", es: "en curso" },
  "state.cancel": { en: "Cancel", de: "Abbrechen", fr: "Annuler", es: "Cancelar" },
  "state.cancelled": { en: "Cancelled.", de: "Abgebrochen.", fr: "Annulé.", es: "Cancelado." },
  "warnings.voices": { en: "All voices are shown: voices are left out of what is spoken here, not of files.", de: "Alle Stimmen werden gezeigt: Stimmen werden nur bei dem ausgelassen, was hier gesprochen wird, nicht bei Dateien.", fr: "Toutes les voix sont montrées : des voix ne sont omises que de ce qui est dit ici, pas des fichiers.", es: "Se muestran todas las voces: solo se omiten voces de lo que se habla aquí, no de los archivos." },
  "warnings.lost": { en: "Emotions were left out; what they had is shared among the rest, so confidence is too high.", de: "Emotionen wurden ausgelassen; ihr Anteil ist unter den übrigen verteilt, die Konfidenz also zu hoch.", fr: "Des émotions ont été omises ; leur part est répartie entre les autres, la confiance est donc trop élevée.", es: "Se omitieron emociones; su parte se reparte entre las demás, así que la confianza es demasiado alta." },

  // --- the keys ---
  "keys.title": { en: "Keys", de: "Tasten", fr: "Touches", es: "Teclas" },
  "keys.key": { en: "Key", de: "Taste", fr: "Touche", es: "Tecla" },
  "keys.does": { en: "What it does", de: "Was sie tut", fr: "Ce qu’elle fait", es: "Qué hace" },
  "keys.space": { en: "Space", de: "Leertaste", fr: "Espace", es: "Espacio" },
  "keys.play": { en: "Play or pause", de: "Abspielen oder Pause", fr: "Lecture ou pause", es: "Reproducir o pausar" },
  "keys.move": { en: "1 s back or on; with Shift 5 s", de: "1 s zurück oder vor; mit Umschalt 5 s", fr: "1 s en arrière ou en avant ; avec Maj 5 s", es: "1 s atrás o adelante; con Mayús 5 s" },
  "keys.zoom": { en: "Zoom in or out around the position", de: "Um die Stelle herum vergrößern oder verkleinern", fr: "Agrandir ou réduire autour de la position", es: "Acercar o alejar en torno a la posición" },
  "keys.all": { en: "See all of it", de: "Alles zeigen", fr: "Tout voir", es: "Ver todo" },
  "keys.segments": { en: "Next or previous segment", de: "Nächstes oder voriges Segment", fr: "Segment suivant ou précédent", es: "Segmento siguiente o anterior" },
  "keys.speed": { en: "Slower or faster", de: "Langsamer oder schneller", fr: "Plus lent ou plus rapide", es: "Más lento o más rápido" },
  "keys.lanes": { en: "This lane only (a person, a channel); again: all lanes", de: "Nur diese Spur (eine Person, ein Kanal); noch einmal: alle Spuren", fr: "Cette piste seulement (une personne, un canal) ; encore : toutes", es: "Solo esta pista (una persona, un canal); otra vez: todas" },
  "keys.help": { en: "Show this", de: "Dies zeigen", fr: "Afficher ceci", es: "Mostrar esto" },
  "keys.pointer": { en: "The wheel, or two fingers, zoom where the pointer is; Shift and the wheel, or dragging, move the view.", de: "Das Rad oder zwei Finger vergrößern, wo der Zeiger ist; Umschalt mit dem Rad oder Ziehen verschiebt den Ausschnitt.", fr: "La molette, ou deux doigts, agrandissent là où est le pointeur ; Maj et la molette, ou glisser, déplacent la vue.", es: "La rueda, o dos dedos, acercan donde está el puntero; Mayús con la rueda, o arrastrar, mueven la vista." },
  "keys.on": { en: "Single keys work everywhere on the page", de: "Einzelne Tasten wirken überall auf der Seite", fr: "Les touches simples agissent partout sur la page", es: "Las teclas sueltas actúan en toda la página" },

  // --- what was recognised ---
  "answer.unsure": { en: "Not sure", de: "Nicht sicher", fr: "Pas sûr", es: "No seguro" },
  "answer.skipped": { en: "Left out", de: "Ausgelassen", fr: "Omis", es: "Omitido" },
  "answer.none.speech": { en: "No speech", de: "Keine Sprache", fr: "Pas de parole", es: "Sin habla" },
  "answer.none.face": { en: "No face", de: "Kein Gesicht", fr: "Pas de visage", es: "Ninguna cara" },
  "answer.none.words": { en: "No words", de: "Keine Worte", fr: "Pas de mots", es: "Sin palabras" },
  "answer.none": { en: "No answer", de: "Keine Antwort", fr: "Pas de réponse", es: "Sin respuesta" },
  "answer.perhaps": { en: "perhaps {label}", de: "vielleicht {label}", fr: "peut-être {label}", es: "quizá {label}" },
  "strength.clear": { en: "clear", de: "deutlich", fr: "net", es: "claro" },
  "strength.fair": { en: "fair", de: "mäßig", fr: "moyen", es: "medio" },
  "strength.weak": { en: "weak", de: "schwach", fr: "faible", es: "débil" },
  "why.skipped": { en: "the pitch of this voice lies on the other side of 165 Hz, and Settings leave it out", de: "die Tonhöhe dieser Stimme liegt auf der anderen Seite von 165 Hz, und die Einstellungen lassen sie aus", fr: "la hauteur de cette voix est de l’autre côté de 165 Hz, et les réglages l’omettent", es: "el tono de esta voz está al otro lado de 165 Hz, y los ajustes lo omiten" },
  "why.lost": { en: "emotions are left out, so confidence is too high", de: "Emotionen sind ausgelassen, die Konfidenz ist also zu hoch", fr: "des émotions sont omises, la confiance est donc trop élevée", es: "se omiten emociones, así que la confianza es demasiado alta" },
  "time.long": { en: "{minutes} min {seconds} s", de: "{minutes} min {seconds} s", fr: "{minutes} min {seconds} s", es: "{minutes} min {seconds} s" },
  "time.hours": { en: "{hours} h {minutes} min", de: "{hours} h {minutes} min", fr: "{hours} h {minutes} min", es: "{hours} h {minutes} min" },
  "time.span": { en: "{from} to {to}", de: "{from} bis {to}", fr: "{from} à {to}", es: "{from} a {to}" },
  "summary.all": { en: "All in all: {answer}, {confidence}", de: "Alles in allem: {answer}, {confidence}", fr: "Dans l’ensemble : {answer}, {confidence}", es: "En conjunto: {answer}, {confidence}" },
  "summary.segments.one": { en: "1 segment", de: "1 Segment", fr: "1 segment", es: "1 segmento" },
  "summary.segments.many": { en: "{n} segments", de: "{n} Segmente", fr: "{n} segments", es: "{n} segmentos" },
  "summary.no.speech": { en: "No speech was found.", de: "Es wurde keine Sprache gefunden.", fr: "Aucune parole n’a été trouvée.", es: "No se encontró habla." },
  "summary.done": { en: "Done.", de: "Fertig.", fr: "Terminé.", es: "Listo." },
  "summary.from.to": { en: "{answer}, {confidence}, from {from} to {to}", de: "{answer}, {confidence}, von {from} bis {to}", fr: "{answer}, {confidence}, de {from} à {to}", es: "{answer}, {confidence}, de {from} a {to}" },
  "shares.most": { en: "Most often {label}: {share} of the speech, {time}", de: "Am häufigsten {label}: {share} der Sprache, {time}", fr: "Le plus souvent {label} : {share} de la parole, {time}", es: "Lo más frecuente {label}: {share} del habla, {time}" },
  "shares.unsure": { en: "Mostly not sure: {share} of the speech", de: "Meist nicht sicher: {share} der Sprache", fr: "Le plus souvent pas sûr : {share} de la parole", es: "Casi siempre no seguro: {share} del habla" },
  "shares.then": { en: "; then {label}, {share}", de: "; dann {label}, {share}", fr: " ; puis {label}, {share}", es: "; después {label}, {share}" },
  "shares.bars": { en: "Share of the speech of each emotion", de: "Anteil jeder Emotion an der Sprache", fr: "Part de la parole de chaque émotion", es: "Parte del habla de cada emoción" },
  "shares.often": { en: "Most often {label}", de: "Am häufigsten {label}", fr: "Le plus souvent {label}", es: "Lo más frecuente: {label}" },
  "shares.mostly.unsure": { en: "Mostly not sure", de: "Meist nicht sicher", fr: "Le plus souvent pas sûr", es: "Casi siempre no seguro" },
  "shares.caption": { en: "How much of the speech each emotion has", de: "Wie viel der Sprache auf jede Emotion entfällt", fr: "Part de la parole de chaque émotion", es: "Qué parte del habla tiene cada emoción" },
  "shares.emotion": { en: "Emotion", de: "Emotion", fr: "Émotion", es: "Emoción" },
  "shares.time": { en: "Time", de: "Zeit", fr: "Durée", es: "Tiempo" },
  "shares.share": { en: "Of the speech", de: "Der Sprache", fr: "De la parole", es: "Del habla" },
  "results.title": { en: "Segments", de: "Segmente", fr: "Segments", es: "Segmentos" },
  "results.list": { en: "Segments; each plays when chosen", de: "Segmente; jedes wird abgespielt, wenn es gewählt wird", fr: "Segments ; chacun est lu quand il est choisi", es: "Segmentos; cada uno se reproduce al elegirlo" },
  "results.keys": { en: "Arrow keys move in the list", de: "Pfeiltasten bewegen in der Liste", fr: "Les flèches se déplacent dans la liste", es: "Las flechas se mueven por la lista" },
  "downloads.title": { en: "Download", de: "Herunterladen", fr: "Télécharger", es: "Descargar" },
  "downloads.scope": { en: "all recordings in one file", de: "alle Aufnahmen in einer Datei", fr: "tous les enregistrements dans un fichier", es: "todas las grabaciones en un archivo" },
  "downloads.srt": { en: "Subtitles (SRT)", de: "Untertitel (SRT)", fr: "Sous-titres (SRT)", es: "Subtítulos (SRT)" },
  "downloads.jsonl": { en: "JSON lines", de: "JSON-Zeilen", fr: "Lignes JSON", es: "Líneas JSON" },
  "downloads.wav": { en: "Sound (WAV)", de: "Ton (WAV)", fr: "Son (WAV)", es: "Sonido (WAV)" },

  // --- now ---
  "now.title": { en: "Now", de: "Jetzt", fr: "Maintenant", es: "Ahora" },
  "now.here": { en: "Here", de: "Hier", fr: "Ici", es: "Aquí" },
  "now.all": { en: "All in all", de: "Alles in allem", fr: "Dans l’ensemble", es: "En conjunto" },
  "now.nothing": { en: "Nothing yet", de: "Noch nichts", fr: "Rien encore", es: "Nada todavía" },
  "now.listening": { en: "Listening …", de: "Hört zu …", fr: "Écoute …", es: "Escuchando …" },
  "now.working": { en: "Working …", de: "Arbeitet …", fr: "Calcul …", es: "Trabajando …" },
  "now.nobody": { en: "Nobody speaks", de: "Niemand spricht", fr: "Personne ne parle", es: "Nadie habla" },
  "now.connecting": { en: "Connecting …", de: "Verbinde …", fr: "Connexion …", es: "Conectando …" },
  "now.unreadable": { en: "Cannot be read", de: "Nicht lesbar", fr: "Illisible", es: "No se puede leer" },
  "now.bars": { en: "Probability of each emotion", de: "Wahrscheinlichkeit jeder Emotion", fr: "Probabilité de chaque émotion", es: "Probabilidad de cada emoción" },
  "now.bars.all": { en: "Probability of each emotion, of all together", de: "Wahrscheinlichkeit jeder Emotion, von allen zusammen", fr: "Probabilité de chaque émotion, tous ensemble", es: "Probabilidad de cada emoción, de todos juntos" },
  "now.confidence": { en: "Confidence", de: "Konfidenz", fr: "Confiance", es: "Confianza" },
  "now.quality": { en: "Signal quality", de: "Signalqualität", fr: "Qualité du signal", es: "Calidad de la señal" },
  "now.quality.picture": { en: "Picture quality", de: "Bildqualität", fr: "Qualité de l’image", es: "Calidad de la imagen" },
  "now.whose": { en: "Whose face", de: "Wessen Gesicht", fr: "Le visage de qui", es: "La cara de quién" },
  "now.who": { en: "Who", de: "Wer", fr: "Qui", es: "Quién" },

  // --- settings ---
  "settings.title": { en: "Settings", de: "Einstellungen", fr: "Réglages", es: "Ajustes" },
  "settings.next": { en: "They hold for the next recording.", de: "Sie gelten für die nächste Aufnahme.", fr: "Ils valent pour le prochain enregistrement.", es: "Valen para la próxima grabación." },
  "settings.next.picture": { en: "They hold for the next picture.", de: "Sie gelten für das nächste Bild.", fr: "Ils valent pour la prochaine image.", es: "Valen para la próxima imagen." },
  "settings.next.text": { en: "They hold for the next text.", de: "Sie gelten für den nächsten Text.", fr: "Ils valent pour le prochain texte.", es: "Valen para el próximo texto." },
  "settings.differ": { en: "What is shown was heard with other settings.", de: "Was gezeigt wird, wurde mit anderen Einstellungen gehört.", fr: "Ce qui est affiché a été écouté avec d’autres réglages.", es: "Lo que se muestra se escuchó con otros ajustes." },
  "settings.again": { en: "Hear again with these settings", de: "Mit diesen Einstellungen noch einmal hören", fr: "Réécouter avec ces réglages", es: "Volver a escuchar con estos ajustes" },
  "settings.model": { en: "Model", de: "Modell", fr: "Modèle", es: "Modelo" },
  "settings.about": { en: "About this model", de: "Über dieses Modell", fr: "À propos de ce modèle", es: "Sobre este modelo" },
  "settings.about.joint": { en: "About the model that joins them", de: "Über das Modell, das sie verbindet", fr: "À propos du modèle qui les réunit", es: "Sobre el modelo que los une" },
  "settings.joint": { en: "Voice, faces and words answer with the same seven labels; calm counts as neutral.", de: "Stimme, Gesichter und Worte antworten mit denselben sieben Labels; ruhig zählt als neutral.", fr: "Voix, visages et mots répondent avec les mêmes sept étiquettes ; calme compte comme neutre.", es: "Voz, caras y palabras responden con las mismas siete etiquetas; tranquilo cuenta como neutro." },
  "settings.labels": { en: "Choose among", de: "Auswählen aus", fr: "Choisir parmi", es: "Elegir entre" },
  "settings.labels.own": { en: "Emotions to choose among", de: "Emotionen zur Auswahl", fr: "Émotions parmi lesquelles choisir", es: "Emociones entre las que elegir" },
  "settings.labels.all": { en: "All {n} emotions", de: "Alle {n} Emotionen", fr: "Les {n} émotions", es: "Las {n} emociones" },
  "settings.labels.mine": { en: "My choice …", de: "Meine Auswahl …", fr: "Mon choix …", es: "Mi selección …" },
  "settings.labels.few": { en: "Choose at least two.", de: "Wählen Sie mindestens zwei.", fr: "Choisissez-en au moins deux.", es: "Elija al menos dos." },
  "settings.labels.few.error": { en: "Choose at least two emotions in Settings.", de: "Wählen Sie in den Einstellungen mindestens zwei Emotionen.", fr: "Choisissez au moins deux émotions dans les réglages.", es: "Elija al menos dos emociones en los ajustes." },
  "settings.labels.lost": { en: "What is left out is shared among the rest: confidence is then too high.", de: "Was ausgelassen wird, ist unter den übrigen verteilt: Die Konfidenz ist dann zu hoch.", fr: "Ce qui est omis est réparti entre les autres : la confiance est alors trop élevée.", es: "Lo omitido se reparte entre las demás: la confianza es entonces demasiado alta." },
  "sets.four": { en: "Angry, happy, neutral, sad", de: "Wütend, fröhlich, neutral, traurig", fr: "Colère, joie, neutre, tristesse", es: "Enfado, alegría, neutro, tristeza" },
  "sets.ekman": { en: "Six of Ekman", de: "Ekmans sechs", fr: "Les six d’Ekman", es: "Las seis de Ekman" },
  "sets.calm-is-neutral": { en: "Calm counts as neutral", de: "Ruhig zählt als neutral", fr: "Calme compte comme neutre", es: "Tranquilo cuenta como neutro" },
  "sets.valence": { en: "Negative, neutral, positive", de: "Negativ, neutral, positiv", fr: "Négatif, neutre, positif", es: "Negativo, neutro, positivo" },
  "sets.goemotions": { en: "All 28 of GoEmotions", de: "Alle 28 von GoEmotions", fr: "Les 28 de GoEmotions", es: "Las 28 de GoEmotions" },
  "settings.channel": { en: "Channels of files", de: "Kanäle von Dateien", fr: "Canaux des fichiers", es: "Canales de los archivos" },
  "settings.channel.mix": { en: "Mixed, as a player does", de: "Gemischt, wie ein Abspieler", fr: "Mélangés, comme un lecteur", es: "Mezclados, como un reproductor" },
  "settings.channel.each": { en: "Each by itself (a call)", de: "Jeder für sich (ein Anruf)", fr: "Chacun séparément (un appel)", es: "Cada uno por separado (una llamada)" },
  "settings.channel.left": { en: "Left only", de: "Nur links", fr: "Gauche seulement", es: "Solo izquierdo" },
  "settings.channel.right": { en: "Right only", de: "Nur rechts", fr: "Droit seulement", es: "Solo derecho" },
  "settings.voices": { en: "Voices", de: "Stimmen", fr: "Voix", es: "Voces" },
  "settings.voices.all": { en: "All", de: "Alle", fr: "Toutes", es: "Todas" },
  "settings.voices.low": { en: "Low only", de: "Nur tiefe", fr: "Graves", es: "Graves" },
  "settings.voices.high": { en: "High only", de: "Nur hohe", fr: "Aiguës", es: "Agudas" },
  "settings.voices.note": { en: "Known recipes answer “for female voices” only. This goes by pitch: speech whose median lies on the other side of 165 Hz is left out. Pitch range is not sex; many women are left out by “high”, and many men are not.", de: "Bekannte Rezepte antworten nur „für weibliche Stimmen“. Hier zählt die Tonhöhe: Sprache, deren Median auf der anderen Seite von 165 Hz liegt, wird ausgelassen. Tonlage ist nicht Geschlecht; „hoch“ lässt viele Frauen aus, und viele Männer nicht.", fr: "Des recettes connues ne répondent que « pour les voix féminines ». Ici compte la hauteur : la parole dont la médiane est de l’autre côté de 165 Hz est omise. La hauteur n’est pas le sexe ; « aiguës » omet bien des femmes, et laisse bien des hommes.", es: "Recetas conocidas responden solo «para voces femeninas». Aquí cuenta el tono: se omite el habla cuya mediana está al otro lado de 165 Hz. El tono no es el sexo; «agudas» omite a muchas mujeres y deja a muchos hombres." },
  "settings.voices.sure": { en: "I know, go on", de: "Ich weiß, weiter", fr: "Je sais, continuer", es: "Lo sé, continuar" },
  "settings.voices.confirm": { en: "Settings leave voices out: confirm it there, or choose all.", de: "Die Einstellungen lassen Stimmen aus: Bestätigen Sie es dort, oder wählen Sie alle.", fr: "Les réglages omettent des voix : confirmez-le là, ou choisissez toutes.", es: "Los ajustes omiten voces: confírmelo allí, o elija todas." },
  "settings.mirror": { en: "Show the camera as a mirror does", de: "Die Kamera wie einen Spiegel zeigen", fr: "Montrer la caméra comme un miroir", es: "Mostrar la cámara como un espejo" },
  "settings.map": { en: "Show what the network looks at", de: "Zeigen, worauf das Netz schaut", fr: "Montrer ce que regarde le réseau", es: "Mostrar qué mira la red" },
  "settings.map.none": { en: "This model gives no map.", de: "Dieses Modell gibt keine Karte.", fr: "Ce modèle ne donne pas de carte.", es: "Este modelo no da mapa." },
  "settings.map.later": { en: "From the next start of the camera on.", de: "Ab dem nächsten Start der Kamera.", fr: "À partir du prochain démarrage de la caméra.", es: "Desde el próximo inicio de la cámara." },
  "reference.title": { en: "Voice reference", de: "Stimmreferenz", fr: "Référence de voix", es: "Referencia de voz" },
  "reference.note": { en: "Ten seconds of the speaker's neutral speech; the model is then adapted to this voice.", de: "Zehn Sekunden neutraler Sprache dieser Person; das Modell wird dann an diese Stimme angepasst.", fr: "Dix secondes de parole neutre de la personne ; le modèle est alors adapté à cette voix.", es: "Diez segundos de habla neutra de la persona; el modelo se adapta entonces a esa voz." },
  "reference.record": { en: "Record 10 s", de: "10 s aufnehmen", fr: "Enregistrer 10 s", es: "Grabar 10 s" },
  "reference.file": { en: "From a file", de: "Aus einer Datei", fr: "Depuis un fichier", es: "De un archivo" },
  "reference.forget": { en: "Forget", de: "Vergessen", fr: "Oublier", es: "Olvidar" },
  "reference.progress": { en: "Seconds of the reference recorded", de: "Aufgenommene Sekunden der Referenz", fr: "Secondes de la référence enregistrées", es: "Segundos grabados de la referencia" },
  "reference.stopped": { en: "Stopped; nothing was sent.", de: "Angehalten; nichts wurde gesendet.", fr: "Arrêté ; rien n’a été envoyé.", es: "Detenido; no se envió nada." },
  "reference.forgotten": { en: "Forgotten.", de: "Vergessen.", fr: "Oubliée.", es: "Olvidada." },
  "reference.speak": { en: "Speak as you usually do, without emotion, for {seconds} s.", de: "Sprechen Sie {seconds} s lang wie sonst, ohne Emotion.", fr: "Parlez comme d’habitude, sans émotion, pendant {seconds} s.", es: "Hable como suele hacerlo, sin emoción, durante {seconds} s." },
  "reference.measuring": { en: "Measuring this voice …", de: "Diese Stimme wird gemessen …", fr: "Mesure de cette voix …", es: "Midiendo esta voz …" },
  "reference.no.model": { en: "No model of this server takes a voice reference.", de: "Kein Modell dieses Servers nimmt eine Stimmreferenz.", fr: "Aucun modèle de ce serveur n’accepte de référence de voix.", es: "Ningún modelo de este servidor admite una referencia de voz." },
  "reference.used": { en: "In use by {model}: {seconds} s of speech; the server forgets it after {minutes} minutes.", de: "In Gebrauch durch {model}: {seconds} s Sprache; der Server vergisst sie nach {minutes} Minuten.", fr: "Utilisée par {model} : {seconds} s de parole ; le serveur l’oublie après {minutes} minutes.", es: "En uso por {model}: {seconds} s de habla; el servidor la olvida tras {minutes} minutos." },
  "card.labels": { en: "{n} emotions: {labels}.", de: "{n} Emotionen: {labels}.", fr: "{n} émotions : {labels}.", es: "{n} emociones: {labels}." },
  "card.scores": { en: "On unseen speakers: mean recall over the emotions, with a 95 % interval.", de: "An ungehörten Sprechern: mittlerer Recall über die Emotionen, mit 95-%-Intervall.", fr: "Sur des locuteurs inconnus : rappel moyen sur les émotions, avec un intervalle à 95 %.", es: "Con hablantes no vistos: exhaustividad media de las emociones, con un intervalo del 95 %." },
  "card.tested": { en: "tested on", de: "getestet an", fr: "testé sur", es: "probado con" },
  "card.recall": { en: "recall", de: "Recall", fr: "rappel", es: "exhaustividad" },
  "card.clips": { en: "clips", de: "Clips", fr: "extraits", es: "clips" },
  "card.data": { en: "Learned from {data}.", de: "Gelernt aus {data}.", fr: "Appris de {data}.", es: "Aprendido de {data}." },
  "card.corpus": { en: "{corpus} ({clips} clips, {speakers} speakers)", de: "{corpus} ({clips} Clips, {speakers} Sprecher)", fr: "{corpus} ({clips} extraits, {speakers} locuteurs)", es: "{corpus} ({clips} clips, {speakers} hablantes)" },
  "card.licence": { en: "Licence: {licence}", de: "Lizenz: {licence}", fr: "Licence : {licence}", es: "Licencia: {licence}" },
  "card.nothing": { en: "The card of {name} says no more.", de: "Die Karte von {name} sagt nicht mehr.", fr: "La fiche de {name} n’en dit pas plus.", es: "La ficha de {name} no dice más." },

  "lanes.only": { en: "Only {name}; the same key again: all lanes.", de: "Nur {name}; dieselbe Taste noch einmal: alle Spuren.", fr: "Seulement {name} ; la même touche encore : toutes les pistes.", es: "Solo {name}; la misma tecla otra vez: todas las pistas." },
  "lanes.all": { en: "All lanes.", de: "Alle Spuren.", fr: "Toutes les pistes.", es: "Todas las pistas." },

  // --- pictures, faces ---
  "face.not.now": { en: "not seen now", de: "jetzt nicht zu sehen", fr: "pas visible maintenant", es: "no se ve ahora" },
  "fusion.face": { en: "Face", de: "Gesicht", fr: "Visage", es: "Cara" },
  "fusion.words": { en: "Words", de: "Worte", fr: "Mots", es: "Palabras" },
  "fusion.whoever": { en: "whoever speaks", de: "wer auch spricht", fr: "qui que ce soit qui parle", es: "quienquiera que hable" },
  "face.view": { en: "Picture", de: "Bild", fr: "Image", es: "Imagen" },
  "face.recordings": { en: "Pictures and videos", de: "Bilder und Videos", fr: "Images et vidéos", es: "Imágenes y vídeos" },
  "face.picture": { en: "The picture in which faces were looked for", de: "Das Bild, in dem Gesichter gesucht wurden", fr: "L’image où des visages ont été cherchés", es: "La imagen en que se buscaron caras" },
  "face.empty": { en: "Here you will see the picture, and the faces found in it.", de: "Hier sehen Sie das Bild und die Gesichter, die darin gefunden wurden.", fr: "Ici s’afficheront l’image et les visages qui y ont été trouvés.", es: "Aquí verá la imagen y las caras que se hallaron en ella." },
  "face.list": { en: "Faces over time; each is shown when chosen", de: "Gesichter über die Zeit; jedes wird gezeigt, wenn es gewählt wird", fr: "Visages dans le temps ; chacun est montré quand il est choisi", es: "Caras a lo largo del tiempo; cada una se muestra al elegirla" },
  "fusion.view": { en: "Picture and lanes", de: "Bild und Spuren", fr: "Image et pistes", es: "Imagen y pistas" },
  "fusion.recordings": { en: "Videos", de: "Videos", fr: "Vidéos", es: "Vídeos" },
  "fusion.empty": { en: "Here you will see the picture, and below it what voice, faces and words say.", de: "Hier sehen Sie das Bild, und darunter, was Stimme, Gesichter und Worte sagen.", fr: "Ici s’affichera l’image, et en dessous ce que disent la voix, les visages et les mots.", es: "Aquí verá la imagen y, debajo, lo que dicen la voz, las caras y las palabras." },
  "fusion.legend": { en: "Striped: not sure. A red edge: voice, face and words contradict each other. Click in a lane to go there.", de: "Gestreift: nicht sicher. Roter Rand: Stimme, Gesicht und Worte widersprechen einander. Ein Klick in eine Spur führt dorthin.", fr: "Rayé : pas sûr. Bord rouge : voix, visage et mots se contredisent. Cliquez dans une piste pour y aller.", es: "A rayas: no seguro. Borde rojo: voz, cara y palabras se contradicen. Pulse en una pista para ir allí." },
  "fusion.together": { en: "Together", de: "Zusammen", fr: "Ensemble", es: "Juntos" },
  "fusion.list": { en: "What voice, face and words say together; each is shown when chosen", de: "Was Stimme, Gesicht und Worte zusammen sagen; jedes wird gezeigt, wenn es gewählt wird", fr: "Ce que disent ensemble voix, visage et mots ; chacun est montré quand il est choisi", es: "Lo que dicen juntos voz, cara y palabras; cada uno se muestra al elegirlo" },
  "text.empty": { en: "Here you will see each sentence, what it says, and which words that rests on.", de: "Hier sehen Sie jeden Satz, was er sagt, und auf welchen Wörtern das beruht.", fr: "Ici s’affichera chaque phrase, ce qu’elle dit, et les mots sur lesquels cela repose.", es: "Aquí verá cada frase, lo que dice y en qué palabras se apoya." },
  "text.list": { en: "Sentences; each is looked at when chosen", de: "Sätze; jeder wird betrachtet, wenn er gewählt wird", fr: "Phrases ; chacune est examinée quand elle est choisie", es: "Frases; cada una se examina al elegirla" },
  "text.recordings": { en: "Texts", de: "Texte", fr: "Textes", es: "Textos" },

  // --- labels, as inside a sentence ---
  "label.angry": { en: "angry", de: "wütend", fr: "en colère", es: "enfadado" },
  "label.calm": { en: "calm", de: "ruhig", fr: "calme", es: "tranquilo" },
  "label.disgust": { en: "disgust", de: "Ekel", fr: "dégoût", es: "asco" },
  "label.fear": { en: "fear", de: "Angst", fr: "peur", es: "miedo" },
  "label.happy": { en: "happy", de: "fröhlich", fr: "joyeux", es: "alegre" },
  "label.neutral": { en: "neutral", de: "neutral", fr: "neutre", es: "neutro" },
  "label.sad": { en: "sad", de: "traurig", fr: "triste", es: "triste" },
  "label.surprise": { en: "surprise", de: "Überraschung", fr: "surprise", es: "sorpresa" },
  "label.negative": { en: "negative", de: "negativ", fr: "négatif", es: "negativo" },
  "label.positive": { en: "positive", de: "positiv", fr: "positif", es: "positivo" },
};

let current = "en";

/** The language that texts are in now. */
export const language = () => current;

/** Have texts be in a language of LANGUAGES from now on. */
export function setLanguage(code) {
  current = code in LANGUAGES ? code : "en";
  document.documentElement.lang = current;
}

/** The language that somebody chose here before, or the first of the browser's that there is. */
export function wantedLanguage() {
  try {
    const kept = localStorage.getItem("affekt.language");
    if (kept in LANGUAGES) return kept;
  } catch {
    // A browser that keeps nothing has its own languages all the same.
  }
  const codes = (navigator.languages ?? [navigator.language]).map((code) => code.slice(0, 2).toLowerCase());
  return codes.find((code) => code in LANGUAGES) ?? "en";
}

/** The text of a key in the present language, with what stands in braces filled in. */
export function t(key, values = {}) {
  const text = STRINGS[key]?.[current];
  if (text === undefined) throw new Error(`strings.js has no text ${key}`);
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** Whether there is a text. */
export const known = (key) => Object.hasOwn(STRINGS, key);

const filled = new WeakMap(); // what stands in braces, by element

/** Have an element say a text, in whatever language the page is shown; `values` are what stands in braces. */
export function say(element, key, values = {}) {
  element.dataset.t = key;
  filled.set(element, values);
  element.textContent = t(key, values);
}

/** Have an element say words that are in no table: a name, or what the server says. */
export function write(element, words) {
  delete element.dataset.t;
  element.textContent = words;
}

/** Put every text that names its key into the present language: data-t, and data-t-ATTRIBUTE. */
export function translate(root = document) {
  for (const element of root.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t, filled.get(element));
  for (const name of ["aria-label", "placeholder", "alt", "content"]) {
    for (const element of root.querySelectorAll(`[data-t-${name}]`)) element.setAttribute(name, t(element.getAttribute(`data-t-${name}`)));
  }
}
